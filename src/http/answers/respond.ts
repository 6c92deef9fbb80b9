/** Writes responses: JSON text from pooled buffers, and errors. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { ERRORS, PulselaneError } from '../../lib/errors.ts';
import type { JoinedMapPool } from '../bodies/bodies.ts';
import type { Body } from '../bodies/body.ts';
import type { JsonText } from '../bodies/json-text.ts';
import type { AppContext, HttpContext, HttpEnv } from '../context.ts';
import { DIRECT_BODY_BYTES } from '../http-limits.ts';
import { answer } from './common-headers.ts';
import { conditionalHeaders, notModified } from './conditional.ts';
import { acceptsGzip, varyHeader } from './encoding.ts';
import { problemOf } from './problem.ts';

/** An error outside /api/: `{"error": "..."}`. Reveals nothing internal. */
export function errorJson(
  c: HttpContext,
  status: ContentfulStatusCode,
  error: string,
  headers: Record<string, string> = {},
): Response {
  return sendJson(c, status, { error }, headers);
}

/** Turns a PulselaneError into such an error and counts it if a limit was reached; rethrows any other error. */
export function errorJsonOf(c: HttpContext, error: unknown): Response {
  if (!(error instanceof PulselaneError)) throw error;
  c.get('refusals')?.countError(error);
  const { httpStatus } = ERRORS[error.code];
  const isBusy = httpStatus === 503 || httpStatus === 429;
  return errorJson(c, httpStatus, error.message, isBusy ? { 'Retry-After': '1' } : {});
}

/** A small JSON response. HEAD gets its Content-Length too, which Hono would omit. */
export function sendJson(
  c: HttpContext,
  status: ContentfulStatusCode,
  value: unknown,
  headers: Record<string, string> = {},
): Response {
  const body = JSON.stringify(value);
  const own = { ...jsonHeaders(Buffer.byteLength(body)), ...headers };
  return answer(c, status, c.req.method === 'HEAD' ? null : body, own);
}

function jsonHeaders(bodyBytes: number): Record<string, string> {
  return { 'Content-Type': 'application/json', 'Content-Length': String(bodyBytes) };
}

/** Responds, outside /api/, with the text that `write` appends, or with the response it returns instead. */
export function sendJsonText(
  context: AppContext,
  c: HttpContext,
  write: (text: JsonText) => Response | undefined,
): Response {
  const { texts } = context.bodies;
  const text = texts.take();
  if (text === undefined) {
    context.refusals.count('answers');
    return errorJson(c, 503, 'too many large answers are being sent; try again in a second', { 'Retry-After': '1' });
  }
  const read = () => write(text) ?? text.bytes();
  return sendLent(c, read, () => texts.give(text));
}

/** Responds with a map of all workers: a kept one or, while all kept ones are in use, one built for this response. */
export function sendMap(context: AppContext, c: HttpContext, pool: JoinedMapPool): Response {
  const map = pool.take();
  if (map === undefined) {
    return sendJsonText(context, c, (text) => {
      pool.joinAnew(text);
      return undefined;
    });
  }
  return sendLent(
    c,
    () => map.bytes(),
    () => pool.give(map),
  );
}

/** Responds with the bytes from `read`, and calls `giveBack` once they are no longer used. */
function sendLent(c: HttpContext, read: () => Buffer | Response, giveBack: () => void): Response {
  let bytes: Buffer | Response;
  try {
    bytes = read();
  } catch (error) {
    giveBack();
    throw error;
  }
  if (bytes instanceof Response) {
    giveBack();
    return bytes;
  }
  return sendBytes(c, bytes, giveBack, jsonHeaders(bytes.length));
}

/** Responds with a body and gives it back once it is no longer used. */
export function sendBody(c: HttpContext, body: Body, headers: Record<string, string> = {}): Response {
  const { bytes, isGzip } = body;
  return sendBytes(c, bytes, () => body.giveBack(), {
    ...jsonHeaders(bytes.length),
    ...varyHeader(c),
    ...(isGzip ? { 'Content-Encoding': 'gzip' } : {}),
    ...headers,
  });
}

/**
 * Responds under /api/v1 with a tagged list: 304 if the client has it already; compressed in another thread if it is large and
 * the client accepts gzip.
 */
export async function sendTagged(
  { queries }: AppContext,
  c: HttpContext,
  etag: string,
  make: () => unknown,
): Promise<Response> {
  const known = notModified(c, etag, varyHeader(c));
  if (known !== undefined) return known;
  const plain = Buffer.from(JSON.stringify(make()));
  try {
    const body = await queries.body(plain, acceptsGzip(c.req.header('accept-encoding')));
    return sendBody(c, body, conditionalHeaders(etag));
  } catch (error) {
    return problemOf(c, error);
  }
}

function sendBytes(c: HttpContext, bytes: Uint8Array, giveBack: () => void, headers: Record<string, string>): Response {
  let keep = false;
  try {
    if (c.req.method === 'HEAD') return answer(c, 200, null, headers);
    // `app.request()` in tests has no bindings.
    const outgoing = (c.env as HttpEnv['Bindings'] | undefined)?.outgoing;
    if (outgoing === undefined || outgoing.destroyed || bytes.length < DIRECT_BODY_BYTES) {
      // A string goes out in one write with the headers; a lent buffer would have to be copied anyway.
      const isText = headers['Content-Encoding'] === undefined;
      return answer(c, 200, isText ? textOf(bytes) : new Uint8Array(bytes), headers);
    }
    // Past Hono, without a copy. Nothing may touch `c.res` after this: Hono would not recognise a copy of
    // RESPONSE_ALREADY_SENT and would write a second response. `close` follows the last byte as well as an abort.
    keep = true;
    outgoing.once('close', giveBack);
    outgoing.writeHead(200, { ...c.get('commonHeaders'), ...headers });
    outgoing.end(bytes);
    return RESPONSE_ALREADY_SENT;
  } finally {
    if (!keep) giveBack();
  }
}

function textOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString();
}
