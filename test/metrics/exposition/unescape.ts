/** Reads names back that were escaped by value, as Prometheus's own library does. */
export function unescapeValues(name: string): string {
  if (!name.startsWith('U__')) return name;
  return name
    .slice('U__'.length)
    .replace(/__|_([0-9a-f]+)_/g, (_, code: string | undefined) =>
      code === undefined ? '_' : String.fromCodePoint(Number.parseInt(code, 16)),
    );
}
