/**
 * @peculiar/x509 finds its parts by a container for injection, which refuses to load without the polyfill
 * `reflect-metadata`. It asks that for the types of constructor parameters, and none of those parts has any.
 */
const reflect = Reflect as { getMetadata?: unknown; getOwnMetadata?: unknown; defineMetadata?: unknown };
reflect.getMetadata ??= () => undefined;
reflect.getOwnMetadata ??= () => undefined;
reflect.defineMetadata ??= () => {};
