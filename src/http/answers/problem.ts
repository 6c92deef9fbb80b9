/** Errors under /api/v1: RFC 9457, `application/problem+json`. They reveal nothing internal. */
import { ERRORS, type ErrorCode, PulselaneError } from '../../lib/errors.ts';
import type { HttpContext } from '../context.ts';
import { answer } from './common-headers.ts';

/** The Retry-After when no better value is known. */
const RETRY_AFTER_S = 1;

export interface ProblemDetails {
  /** The wrong parts of the input, each with the reason. */
  readonly errors?: readonly {
    readonly in: string;
    readonly name: string;
    readonly detail: string;
    readonly line?: number;
    readonly column?: number;
  }[];
  /** Besides those of every problem, for example Allow. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The stable name of an error, documented at /api/docs. */
export function problemType(code: ErrorCode): string {
  return `urn:pulselane:error:${code}`;
}

/** The members of every problem. @param instance the requested path */
export function problemFacts(code: ErrorCode, detail: string, instance: string) {
  const { httpStatus: status, title } = ERRORS[code];
  return { type: problemType(code), title, status, detail, instance };
}

/** Turns a PulselaneError into a problem and counts it if a limit was reached; rethrows any other error. */
export function problemOf(c: HttpContext, error: unknown): Response {
  if (!(error instanceof PulselaneError)) throw error;
  c.get('refusals')?.countError(error);
  return problem(c, error.code, error.message);
}

/** @param detail for people: what was wrong, where, and what was expected */
export function problem(c: HttpContext, code: ErrorCode, detail: string, details: ProblemDetails = {}): Response {
  const { errors, headers } = details;
  const facts = problemFacts(code, detail, c.req.path);
  const { status } = facts;
  const body = JSON.stringify(errors === undefined ? facts : { ...facts, errors });
  return answer(c, status, c.req.method === 'HEAD' ? null : body, {
    'Content-Type': 'application/problem+json',
    'Content-Length': String(Buffer.byteLength(body)),
    ...(status === 503 || status === 429 ? { 'Retry-After': String(RETRY_AFTER_S) } : {}),
    ...headers,
  });
}

/** The text of a 405. @param allowed the methods of the Allow header */
export function methodNotAllowed(method: string, allowed: string): string {
  return `${method} is not allowed here; allowed: ${allowed}`;
}

/** The request body is not JSON. */
export function notJson(c: HttpContext): Response {
  return problem(c, 'invalid_argument', 'the body must be JSON, with Content-Type: application/json');
}
