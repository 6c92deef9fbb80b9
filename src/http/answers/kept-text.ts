/** A constant answer: built once, compressed once, with a tag for conditional requests. */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { HttpContext } from '../context.ts';
import { answer } from './common-headers.ts';
import { conditionalHeaders, notModified, weakTag } from './conditional.ts';
import { acceptsGzip, varyHeader } from './encoding.ts';

const gzipAside = promisify(gzip);

export class KeptText {
  readonly #text: Buffer<ArrayBuffer>;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #etag: string;
  /** Compressed on first use, in Node's thread pool. */
  #zipped: Promise<Buffer<ArrayBuffer>> | undefined;

  /** @param headers including Content-Type */
  constructor(text: string, headers: Readonly<Record<string, string>>) {
    this.#text = Buffer.from(text);
    this.#headers = headers;
    this.#etag = weakTag(createHash('sha256').update(this.#text).digest('base64url').slice(0, 16));
  }

  async send(c: HttpContext): Promise<Response> {
    // A 304 carries them too: the browser updates its stored headers with them.
    const headers = { ...this.#headers, ...conditionalHeaders(this.#etag), ...varyHeader(c) };
    const known = notModified(c, this.#etag, headers);
    if (known !== undefined) return known;
    const isZipped = acceptsGzip(c.req.header('accept-encoding'));
    const body = isZipped ? await this.#zip() : this.#text;
    return answer(c, 200, c.req.method === 'HEAD' ? null : body, {
      'Content-Length': String(body.length),
      ...(isZipped ? { 'Content-Encoding': 'gzip' } : {}),
      ...headers,
    });
  }

  #zip(): Promise<Buffer<ArrayBuffer>> {
    this.#zipped ??= gzipAside(this.#text);
    return this.#zipped;
  }
}
