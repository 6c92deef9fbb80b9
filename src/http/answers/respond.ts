/** How responses are written: JSON text from pooled buffers, and errors. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { JoinedMapPool } from '../bodies/bodies.ts';
import type { Body } from '../bodies/body.ts';
import type { JsonText } from '../bodies/json-text.ts';
import type { AppContext, HttpContext, HttpEnv } from '../context.ts';
import { DIRECT_BODY_BYTES } from '../http-limits.ts';
import { answer } from './common-headers.ts';
import { conditionalHeaders, notModified } from './conditional.ts';
import { acceptsGzip, varyHeader } from './encoding.ts';
import { problemOf } from './problem.ts';

/** An answer for people and scripts: `{"error": "..."}`. Never says anything of the inside. */
export function errorJson(
  c: HttpContext,
  status: ContentfulStatusCode,
  error: string,
  headers: Record<string, string> = {},
): Response {
  return sendJson(c, status, { error }, headers);
}

/** A small answer. HEAD gets its Content-Length too, which Hono itself would leave out. */
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

/** Answers, outside /api/, with the text that `write` makes, or with what it returns instead. */
export function sendJsonText(
  context: AppContext,
  c: HttpContext,
  write: (text: JsonText) => Response | undefined,
): Response {
  const { texts } = context.bodies;
  const text = texts.take();
  if (text === undefined) {
    context.refusals.count('answers');
    return errorJson(c, 503, 'too many large answers are under way', { 'Retry-After': '1' });
  }
  const read = () => write(text) ?? text.bytes();
  return sendLent(c, read, () => texts.give(text));
}

/** Answers with a map of all workers: one that is kept joined or, while all of these are lent, one joined anew. */
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

/** Answers with what `read` gives, and calls `giveBack` once nobody looks at those bytes any more. */
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

/** Answers with a body, which is given back once nobody looks at it any more. */
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
 * Answers under /api/v1 with a list that has a tag: not at all to a client that has it already; compressed, by another thread,
 * where the client takes that and it is large.
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
    // Hono gives no bindings at all where there is no server.
    const outgoing = (c.env as HttpEnv['Bindings'] | undefined)?.outgoing;
    if (outgoing === undefined || outgoing.destroyed || bytes.length < DIRECT_BODY_BYTES) {
      // Text as a string goes out in one write together with the headers; a lent buffer must be copied in any case.
      const isText = headers['Content-Encoding'] === undefined;
      return answer(c, 200, isText ? textOf(bytes) : new Uint8Array(bytes), headers);
    }
    // Past Hono, without a copy. Nothing may touch `c.res` after this: a copy of RESPONSE_ALREADY_SENT is no longer
    // known as such, and a second response would be written. `close` comes after the last byte and after an abort.
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
