/** Errors under /api/v1: RFC 9457, `application/problem+json`. Nothing of the inside is told. */
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { ErrorCode } from '../lib/errors.ts';
import { answer } from './common-headers.ts';
import type { HttpContext } from './context.ts';

const STATUS_OF: Readonly<Record<ErrorCode, ContentfulStatusCode>> = {
  invalid_argument: 400,
  not_admitted: 403,
  not_found: 404,
  failed_precondition: 409,
  resource_exhausted: 503,
  unavailable: 503,
  bad_setting: 500,
  environment: 500,
};

const TITLE_OF: Readonly<Record<ErrorCode | 'forbidden', string>> = {
  invalid_argument: 'The request breaks a rule',
  not_admitted: 'The worker is not admitted',
  not_found: 'There is no such thing',
  failed_precondition: 'It does not fit the present state',
  resource_exhausted: 'A limit is reached',
  unavailable: 'The master cannot do it now',
  bad_setting: 'Internal error',
  environment: 'Internal error',
  forbidden: 'Not allowed from there',
};

export function problem(c: HttpContext, code: ErrorCode | 'forbidden', detail: string): Response {
  const status = code === 'forbidden' ? 403 : STATUS_OF[code];
  const type = `urn:pulselane:error:${code}`;
  const body = JSON.stringify({ type, title: TITLE_OF[code], status, detail });
  return answer(c, status, c.req.method === 'HEAD' ? null : body, {
    'Content-Type': 'application/problem+json',
    'Content-Length': String(Buffer.byteLength(body)),
    ...(status === 503 ? { 'Retry-After': '1' } : {}),
  });
}
