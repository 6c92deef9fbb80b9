/** The OpenAPI document, made from the schemas by which requests are checked. */
import { ERRORS, type ErrorCode } from '../../lib/errors.ts';
import { VERSION } from '../../lib/version.ts';
import type { Api } from './endpoint.ts';

export type OpenApiDocument = ReturnType<Api['getOpenAPI31Document']>;

/** What every operation may be answered with, beside what is its own: each route in the shape that its errors have. */
const COMMON_PROBLEMS: readonly (readonly [name: string, codes: readonly [ErrorCode, ...ErrorCode[]]])[] = [
  ['InvalidArgument', ['invalid_argument']],
  ['Unauthenticated', ['unauthenticated']],
  ['PermissionDenied', ['permission_denied']],
  ['MethodNotAllowed', ['method_not_allowed']],
  ['Misdirected', ['misdirected']],
  ['RateLimited', ['rate_limited']],
  ['Internal', ['internal']],
  ['Unavailable', ['unavailable', 'resource_exhausted']],
];

/** `identifier` is new in OpenAPI 3.1, and the types of the library do not know it. */
const LICENSE = { name: 'Apache License 2.0', identifier: 'Apache-2.0' };

const TAGS = [
  { name: 'workers', description: 'Who there is, and how each is doing.' },
  { name: 'cluster', description: 'The fleet as a whole.' },
  { name: 'live', description: 'What changes, as it changes.' },
  { name: 'events', description: 'What happened.' },
  { name: 'lanes', description: 'The threads that serve the workers.' },
  { name: 'commands', description: 'What an operator may do.' },
  { name: 'seed', description: 'Routes of the system that Pulselane succeeds: they stay as they are.' },
  { name: 'probes', description: 'For load balancers and supervisors; they need no credentials.' },
  { name: 'access', description: 'How a browser shows a token.' },
  { name: 'documents', description: 'This very description.' },
];

export function openApiDocument(api: Api): OpenApiDocument {
  const document = api.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Pulselane',
      version: VERSION,
      description:
        'Telemetry for master/worker fleets: who is alive, how each worker is doing, and what needs a person. `/api/docs` on the same server is this document for people.',
      license: LICENSE,
    },
    servers: [{ url: '/', description: 'The master that serves this document.' }],
    // Any of them; none is needed for reading while the master has no tokens.
    security: [{ bearer: [] }, { session: [] }, {}],
  });
  const used = new Set(Object.values(document.paths ?? {}).flatMap((path) => operationsOf(path).flatMap(tagsOf)));
  document.tags = TAGS.filter(({ name }) => used.has(name));
  document.components = {
    ...document.components,
    securitySchemes: {
      bearer: { type: 'http', scheme: 'bearer', description: 'A token of API_TOKENS.' },
      session: {
        type: 'apiKey',
        in: 'cookie',
        name: 'pulselane_session',
        description: 'What a browser gets at /login.',
      },
    },
    responses: Object.fromEntries(
      COMMON_PROBLEMS.flatMap(([name, codes]) => [
        [name, refusal(codes, 'application/problem+json', 'Problem')],
        [`Seed${name}`, refusal(codes, 'application/json', 'SeedError')],
      ]),
    ),
  };
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const operation of operationsOf(item)) addCommonProblems(operation, path.startsWith('/api/') ? '' : 'Seed');
  }
  return document;
}

/** @param shape how the names of its common answers begin */
function addCommonProblems(operation: Operation, shape: '' | 'Seed'): void {
  operation.responses ??= {};
  for (const [name, [code]] of COMMON_PROBLEMS) {
    // Whoever needs no credentials is not refused for them.
    if (operation.security?.length === 0 && (code === 'unauthenticated' || code === 'permission_denied')) continue;
    operation.responses[ERRORS[code].httpStatus] ??= { $ref: `#/components/responses/${shape}${name}` };
  }
}

type PathItem = NonNullable<OpenApiDocument['paths']>[string];
export type Operation = NonNullable<PathItem['get']>;

export const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

function operationsOf(item: PathItem): Operation[] {
  return METHODS.flatMap((method) => item[method] ?? []);
}

function tagsOf(operation: Operation): readonly string[] {
  return operation.tags ?? [];
}

function refusal(codes: readonly ErrorCode[], type: string, schema: 'Problem' | 'SeedError') {
  const retries = codes.some((code) => ERRORS[code].httpStatus === 429 || ERRORS[code].httpStatus === 503);
  return {
    description: codes.map((code) => ERRORS[code].meaning).join(' Or: '),
    ...(retries
      ? { headers: { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' as const } } } }
      : {}),
    content: { [type]: { schema: { $ref: `#/components/schemas/${schema}` } } },
  };
}
