/** Errors under /api/v1: RFC 9457, `application/problem+json`. Nothing of the inside is told. */
import { ERRORS, type ErrorCode, PulselaneError } from '../../lib/errors.ts';
import type { HttpContext } from '../context.ts';
import { answer } from './common-headers.ts';

/** How long to wait before the same may succeed, where nothing better is known. */
const RETRY_AFTER_S = 1;

export interface ProblemDetails {
  /** Which parts of the input are wrong, and why. */
  readonly errors?: readonly { readonly in: string; readonly name: string; readonly detail: string }[];
  /** Beside those of every problem, such as Allow. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The stable name of an error, documented at /api/docs. */
export function problemType(code: ErrorCode): string {
  return `urn:pulselane:error:${code}`;
}

/** What a problem always says. @param instance the path that was asked for */
export function problemFacts(code: ErrorCode, detail: string, instance: string) {
  const { httpStatus: status, title } = ERRORS[code];
  return { type: problemType(code), title, status, detail, instance };
}

/** The problem of an error with a code, counted if it is a limit that was reached; any other is thrown on. */
export function problemOf(c: HttpContext, error: unknown): Response {
  if (!(error instanceof PulselaneError)) throw error;
  c.get('refusals')?.countError(error);
  return problem(c, error.code, error.message);
}

/** @param detail for people: what was wrong, where, what was expected */
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

/** The body of a request cannot be read as what it should be. */
export function notJson(c: HttpContext): Response {
  return problem(c, 'invalid_argument', 'the body is not JSON, or has no Content-Type: application/json');
}
