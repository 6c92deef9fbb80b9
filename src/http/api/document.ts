/** Builds the OpenAPI document from the schemas that also validate requests. */
import { ERRORS, type ErrorCode } from '../../lib/errors.ts';
import { VERSION } from '../../lib/version.ts';
import type { Api } from './endpoint.ts';

export type OpenApiDocument = ReturnType<Api['getOpenAPI31Document']>;

/** Answers that any operation may give besides its own; each route uses the shape of its other errors. */
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

/** `identifier` is new in OpenAPI 3.1 and missing in the library's types. */
const LICENSE = { name: 'Apache License 2.0', identifier: 'Apache-2.0' };

/** The groups of the docs page, in its order. */
const TAGS = [
  { name: 'Workers', description: 'The workers, how each is doing, and what an operator can do with one.' },
  { name: 'Reporting', description: 'What workers send that have no gRPC; the other routes need no worker.' },
  { name: 'Fleet', description: 'Figures over all workers.' },
  { name: 'History', description: 'What the fleet was: metrics over time, and runs of tasks.' },
  { name: 'Live updates', description: 'Changes as they happen.' },
  { name: 'Events and holds', description: 'What happened, and what keeps the master from judging silent workers.' },
  { name: 'Alerts', description: 'What fires and why, by which rules, and who is told.' },
  { name: 'Lanes and limits', description: 'The threads that process heartbeats, and the limits of the master.' },
  { name: 'Monitoring', description: 'For Prometheus and systems like it.' },
  { name: 'Model Context Protocol', description: 'Tools for language models.' },
  { name: 'Probes', description: 'For load balancers and supervisors; they need no token.' },
  { name: 'Login', description: 'How a browser gets a session.' },
  {
    name: 'Routes of the earlier Go system',
    description: 'Unchanged, so that scripts and dashboards written for it keep working.',
  },
  { name: 'API description', description: 'This description.' },
];

export const SUMMARY =
  'Telemetry for master/worker fleets: which workers are alive, how each is doing, and what needs attention.';

export function openApiDocument(api: Api): OpenApiDocument {
  const document = api.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Pulselane',
      version: VERSION,
      description: `${SUMMARY} \`/api/docs\` on the same server shows this document as a page.`,
      license: LICENSE,
    },
    servers: [{ url: '/', description: 'The master that serves this document.' }],
  });
  const used = new Set(Object.values(document.paths ?? {}).flatMap((path) => operationsOf(path).flatMap(tagsOf)));
  document.tags = TAGS.filter(({ name }) => used.has(name));
  document.components = {
    ...document.components,
    securitySchemes: {
      bearer: { type: 'http', scheme: 'bearer', description: 'A token of API_TOKENS.' },
      worker: {
        type: 'http',
        scheme: 'bearer',
        description:
          'A token of WORKER_TOKENS_FILE; a client certificate that names the worker or its group does as well.',
      },
      session: {
        type: 'apiKey',
        in: 'cookie',
        name: 'pulselane_session',
        description: 'The session cookie from /login.',
      },
    },
    responses: Object.fromEntries(
      COMMON_PROBLEMS.flatMap(([name, codes]) => [
        [name, refusal(codes, 'application/problem+json', 'Problem')],
        [`Legacy${name}`, refusal(codes, 'application/json', 'LegacyError')],
      ]),
    ),
  };
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const operation of operationsOf(item)) addCommonProblems(operation, path.startsWith('/api/') ? '' : 'Legacy');
  }
  return document;
}

/** @param shape the prefix of its common answers' names */
function addCommonProblems(operation: Operation, shape: '' | 'Legacy'): void {
  operation.responses ??= {};
  for (const [name, [code]] of COMMON_PROBLEMS) {
    // A public operation refuses nobody for credentials.
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

function refusal(codes: readonly ErrorCode[], type: string, schema: 'Problem' | 'LegacyError') {
  const retries = codes.some((code) => ERRORS[code].httpStatus === 429 || ERRORS[code].httpStatus === 503);
  return {
    description: codes.map((code) => ERRORS[code].meaning).join(' Or: '),
    ...(retries
      ? { headers: { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' as const } } } }
      : {}),
    content: { [type]: { schema: { $ref: `#/components/schemas/${schema}` } } },
  };
}
