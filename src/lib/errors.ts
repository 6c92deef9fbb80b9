import { types } from 'node:util';
import { shortText } from './foreign-text.ts';

/** Facts of an error code, in one table for all protocols, so that none of them can miss a code. */
interface ErrorFacts {
  /** Short and constant: the `title` of RFC 9457. */
  readonly title: string;
  /** When it happens and what to do about it, for the documentation. */
  readonly meaning: string;
  readonly httpStatus: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 421 | 422 | 429 | 500 | 503;
  /** Name of the canonical gRPC status (https://grpc.io/docs/guides/status-codes/). */
  readonly grpcStatus:
    | 'INVALID_ARGUMENT'
    | 'UNAUTHENTICATED'
    | 'PERMISSION_DENIED'
    | 'NOT_FOUND'
    | 'UNIMPLEMENTED'
    | 'FAILED_PRECONDITION'
    | 'RESOURCE_EXHAUSTED'
    | 'UNAVAILABLE'
    | 'INTERNAL';
}

/**
 * Error codes for callers; the kind of an error is never derived from its message. Under /api/v1 the `type` of a
 * problem is `urn:pulselane:error:<code>`.
 */
export const ERRORS = {
  invalid_argument: {
    title: 'Invalid request',
    meaning: 'The input is invalid, as described in the detail; retrying does not help.',
    httpStatus: 400,
    grpcStatus: 'INVALID_ARGUMENT',
  },
  unauthenticated: {
    title: 'No valid credentials',
    meaning: 'The request needs a valid token or session, and has none.',
    httpStatus: 401,
    grpcStatus: 'UNAUTHENTICATED',
  },
  permission_denied: {
    title: 'Not allowed',
    meaning:
      'The credentials or the origin of the request do not allow this; for example, a worker reports for another one.',
    httpStatus: 403,
    grpcStatus: 'PERMISSION_DENIED',
  },
  not_admitted: {
    title: 'The worker is not admitted',
    meaning: 'The worker is unknown, and ADMISSION is approved: an operator must approve it.',
    httpStatus: 403,
    grpcStatus: 'PERMISSION_DENIED',
  },
  not_found: {
    title: 'Not found',
    meaning: 'What the request names does not exist.',
    httpStatus: 404,
    grpcStatus: 'NOT_FOUND',
  },
  method_not_allowed: {
    title: 'Method not allowed',
    meaning: 'The path exists, but does not support this method; Allow lists the supported ones.',
    httpStatus: 405,
    grpcStatus: 'UNIMPLEMENTED',
  },
  failed_precondition: {
    title: 'Conflict with the current state',
    meaning: 'The state of the worker or a setting of the master does not allow this; retrying does not help.',
    httpStatus: 409,
    grpcStatus: 'FAILED_PRECONDITION',
  },
  too_large: {
    title: 'Too large',
    meaning: 'The request exceeds the size limit named in the detail.',
    httpStatus: 413,
    grpcStatus: 'RESOURCE_EXHAUSTED',
  },
  unsupported_media_type: {
    title: 'Unsupported format',
    meaning: 'The body has a Content-Type or a Content-Encoding that this path does not read.',
    httpStatus: 415,
    grpcStatus: 'INVALID_ARGUMENT',
  },
  misdirected: {
    title: 'Not for this server',
    meaning: 'The Host header does not name this server; see ALLOWED_HOSTS.',
    httpStatus: 421,
    grpcStatus: 'FAILED_PRECONDITION',
  },
  invalid_rules: {
    title: 'Invalid alerting rules',
    meaning: 'The file of alerting rules has problems, each listed with line and column; the rules loaded before stay.',
    httpStatus: 422,
    grpcStatus: 'INVALID_ARGUMENT',
  },
  rate_limited: {
    title: 'Too many requests',
    meaning: 'This client exceeds its rate limit; Retry-After says when to retry.',
    httpStatus: 429,
    grpcStatus: 'RESOURCE_EXHAUSTED',
  },
  resource_exhausted: {
    title: 'A limit is reached',
    meaning: 'A limit of the whole master, named in the detail, is reached; Retry-After says when to retry.',
    httpStatus: 503,
    grpcStatus: 'RESOURCE_EXHAUSTED',
  },
  unavailable: {
    title: 'Unavailable',
    meaning: 'The master is starting, stopping or stuck.',
    httpStatus: 503,
    grpcStatus: 'UNAVAILABLE',
  },
  bad_setting: {
    title: 'Internal error',
    meaning: 'A setting of the master is wrong. Reported at the start, not to clients.',
    httpStatus: 500,
    grpcStatus: 'INTERNAL',
  },
  environment: {
    title: 'Internal error',
    meaning: 'A resource of the system failed: a port, a file, a thread.',
    httpStatus: 500,
    grpcStatus: 'INTERNAL',
  },
  internal: {
    title: 'Internal error',
    meaning: 'The master failed to process this request; its log says why.',
    httpStatus: 500,
    grpcStatus: 'INTERNAL',
  },
} as const satisfies Readonly<Record<string, ErrorFacts>>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorDetails {
  readonly cause?: unknown;
  /** How long to wait before the same call may succeed. */
  readonly retryAfterMs?: number;
}

/** The error class of Pulselane: `message` is for people, `code` for programs. */
export class PulselaneError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'PulselaneError';
    this.code = code;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Several wrong settings, reported together. */
export class SettingsError extends PulselaneError {
  /** One line each. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super('bad_setting', problems.join('; '));
    this.problems = problems;
  }
}

/**
 * `Promise.all` for readers of settings: waits for each of them, so that one error reports all problems.
 * @throws the error, a SettingsError of several `bad_setting` errors, or the first error of another kind
 */
export async function allOrProblems<T extends readonly unknown[]>(
  readings: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const settled = await Promise.allSettled(readings);
  const errors = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  throwProblems(errors);
  return settled.map((result) => (result as PromiseFulfilledResult<unknown>).value) as never;
}

/**
 * The same for readers that do not wait.
 * @throws the error, a SettingsError of several `bad_setting` errors, or the first error of another kind
 */
export function allOrProblemsSync<T>(readings: readonly (() => T)[]): T[] {
  const errors: unknown[] = [];
  const values = readings.flatMap((read) => {
    try {
      return [read()];
    } catch (error) {
      errors.push(error);
      return [];
    }
  });
  throwProblems(errors);
  return values;
}

function throwProblems(errors: readonly unknown[]): void {
  const other = errors.find((error) => !(error instanceof PulselaneError && error.code === 'bad_setting'));
  if (other !== undefined) throw other;
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new SettingsError(errors.flatMap(problemsOf));
}

/** The problems, one line each. */
export function problemsOf(error: unknown): readonly string[] {
  return error instanceof SettingsError ? error.problems : [messageOf(error)];
}

/**
 * The text of a thrown value, for people: no stack, no class name, and of limited length. Runs no code of the value
 * (`toString`, getters, proxy traps), which may throw, never end, or return 20 MB.
 */
export function messageOf(thrown: unknown): string {
  if (typeof thrown === 'string') return shortText(thrown);
  if ((typeof thrown === 'object' && thrown !== null) || typeof thrown === 'function') {
    const text = plainText(thrown, 'message') || plainText(thrown, 'name');
    return text ? shortText(text) : `${typeof thrown} thrown`;
  }
  // Formatting a large one takes long.
  return typeof thrown === 'bigint' ? 'bigint thrown' : shortText(`${typeof thrown} thrown: ${String(thrown)}`);
}

/** Maximum length of the prototype chain; real errors are far below it. */
const MAX_PROTOTYPES = 16;

/** An own or inherited string member; undefined if it could not be read without running foreign code. */
function plainText(thrown: object, name: string): string | undefined {
  let holder: object | null = thrown;
  for (let depth = 0; depth < MAX_PROTOTYPES && holder !== null; depth++) {
    if (types.isProxy(holder)) return undefined;
    const member = Object.getOwnPropertyDescriptor(holder, name);
    if (member !== undefined) return typeof member.value === 'string' ? member.value : undefined;
    holder = Object.getPrototypeOf(holder) as object | null;
  }
  return undefined;
}
