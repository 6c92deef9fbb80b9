import { types } from 'node:util';
import { shortText } from './foreign-text.ts';

/** What is known of an error code: one table for every front, so that none of them can forget one. */
interface ErrorFacts {
  /** Short and the same for every occurrence: the `title` of RFC 9457. */
  readonly title: string;
  /** When it happens and what to do about it, for the documentation. */
  readonly meaning: string;
  readonly httpStatus: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 421 | 429 | 500 | 503;
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
 * What can go wrong for a caller, by code; nobody reads the kind of an error from its message. Under /api/v1 the `type` of
 * a problem is `urn:pulselane:error:<code>`.
 */
export const ERRORS = {
  invalid_argument: {
    title: 'The request breaks a rule',
    meaning: 'The input breaks a rule, which the detail names; sending it again will not help.',
    httpStatus: 400,
    grpcStatus: 'INVALID_ARGUMENT',
  },
  unauthenticated: {
    title: 'No valid credentials',
    meaning: 'A token or a session is needed, and none that is known came with the request.',
    httpStatus: 401,
    grpcStatus: 'UNAUTHENTICATED',
  },
  permission_denied: {
    title: 'Not allowed',
    meaning:
      'Who asks is known, or asks from a place, that may not do this: a worker that speaks for another, for example.',
    httpStatus: 403,
    grpcStatus: 'PERMISSION_DENIED',
  },
  not_admitted: {
    title: 'The worker is not admitted',
    meaning: 'The worker is unknown, and admission is by approval: an operator has to let it in.',
    httpStatus: 403,
    grpcStatus: 'PERMISSION_DENIED',
  },
  not_found: {
    title: 'There is no such thing',
    meaning: 'What the request names is not known.',
    httpStatus: 404,
    grpcStatus: 'NOT_FOUND',
  },
  method_not_allowed: {
    title: 'Not possible with this method',
    meaning: 'The path is known, the method is not one of those that Allow lists.',
    httpStatus: 405,
    grpcStatus: 'UNIMPLEMENTED',
  },
  failed_precondition: {
    title: 'It does not fit the present state',
    meaning: 'It cannot be done now, and will not be by asking again: the worker is in another state than this needs.',
    httpStatus: 409,
    grpcStatus: 'FAILED_PRECONDITION',
  },
  too_large: {
    title: 'Too large',
    meaning: 'The request is larger than the limit that the detail names.',
    httpStatus: 413,
    grpcStatus: 'RESOURCE_EXHAUSTED',
  },
  misdirected: {
    title: 'Not for this server',
    meaning: 'The Host of the request is no name of this server: see ALLOWED_HOSTS.',
    httpStatus: 421,
    grpcStatus: 'FAILED_PRECONDITION',
  },
  rate_limited: {
    title: 'Too often',
    meaning: 'This client asks more often than it may; Retry-After tells when to ask again.',
    httpStatus: 429,
    grpcStatus: 'RESOURCE_EXHAUSTED',
  },
  resource_exhausted: {
    title: 'A limit is reached',
    meaning: 'A limit of the whole master is reached, which the detail names; Retry-After tells when to ask again.',
    httpStatus: 503,
    grpcStatus: 'RESOURCE_EXHAUSTED',
  },
  unavailable: {
    title: 'The master cannot do it now',
    meaning: 'The master starts, stops or is stuck.',
    httpStatus: 503,
    grpcStatus: 'UNAVAILABLE',
  },
  bad_setting: {
    title: 'Internal error',
    meaning: 'A setting of the master is wrong. It is told at the start, and not to clients.',
    httpStatus: 500,
    grpcStatus: 'INTERNAL',
  },
  environment: {
    title: 'Internal error',
    meaning: 'Something that the master needs from its surroundings failed: a port, a file, a thread.',
    httpStatus: 500,
    grpcStatus: 'INTERNAL',
  },
  internal: {
    title: 'Internal error',
    meaning: 'The master failed at this request; its log says why.',
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

/** The one error class of Pulselane: `message` is for people, `code` for programs. */
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

/** Several wrong settings, told together so that they can be mended together. */
export class SettingsError extends PulselaneError {
  /** One line each. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super('bad_setting', problems.join('; '));
    this.problems = problems;
  }
}

/**
 * `Promise.all` for readers of settings: waits for each of them, so that one error tells all that is wrong.
 * @throws the error, a SettingsError of several `bad_setting` errors, or the first error of another kind
 */
export async function allOrProblems<T extends readonly unknown[]>(
  readings: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const settled = await Promise.allSettled(readings);
  const errors = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  const other = errors.find((error) => !(error instanceof PulselaneError && error.code === 'bad_setting'));
  if (other !== undefined) throw other;
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new SettingsError(errors.flatMap(problemsOf));
  return settled.map((result) => (result as PromiseFulfilledResult<unknown>).value) as never;
}

/** What is wrong, one line each. */
export function problemsOf(error: unknown): readonly string[] {
  return error instanceof SettingsError ? error.problems : [messageOf(error)];
}

/**
 * The text of anything thrown, for people: no stack, no class name, and of bounded length. It runs no code of what was
 * thrown (`toString`, getters, traps of a proxy), which may throw, never end, or answer 20 MB.
 */
export function messageOf(thrown: unknown): string {
  if (typeof thrown === 'string') return shortText(thrown);
  if ((typeof thrown === 'object' && thrown !== null) || typeof thrown === 'function') {
    const text = plainText(thrown, 'message') || plainText(thrown, 'name');
    return text ? shortText(text) : `${typeof thrown} thrown`;
  }
  // The digits of a large one take long.
  return typeof thrown === 'bigint' ? 'bigint thrown' : shortText(`${typeof thrown} thrown: ${String(thrown)}`);
}

/** Classes within classes; nobody's errors have as many. */
const MAX_PROTOTYPES = 16;

/** A member that is a text, its own or its class's; undefined if it could not be read without running foreign code. */
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
