/** One request of HTTP/1.1. Not `fetch`, which takes no certificates and refuses ports that a master may well have. */
import { type IncomingHttpHeaders, type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { messageOf } from '../../lib/errors.ts';
import type { ClientTls } from './tls.ts';

export interface Request {
  readonly method: string;
  /** Of `http:` or `https:`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined: none. */
  readonly body?: string | undefined;
  /** Of no use to `http:`. */
  readonly tls: ClientTls;
  readonly signal: AbortSignal;
}

export interface Response {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** @throws if the connection breaks off, or the signal says so */
  text(): Promise<string>;
  /** The body as it comes, in place of `text`. @throws as `text` does */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** What came behind the body, once it has been read. */
  readonly trailers: Readonly<Record<string, string | undefined>>;
}

/** Nobody answered, or nobody who speaks HTTP. */
export class NoAnswerError extends Error {
  /** Of Node or of OpenSSL, or what they say where they have none. */
  readonly code: string;
  /** Whether the server had shown its certificate, and was believed. */
  readonly isSecured: boolean;
  /** What came instead of an answer; empty if nothing did. */
  readonly received: Uint8Array;

  /** Why a certificate is not for the name that was asked for, with the names that it is for. */
  readonly reason: string | undefined;

  constructor(cause: unknown, isSecured: boolean) {
    super(messageOf(cause), { cause });
    const { code, rawPacket, reason } = cause as NodeJS.ErrnoException & { rawPacket?: Uint8Array; reason?: string };
    this.code = code ?? messageOf(cause);
    this.reason = reason;
    this.isSecured = isSecured;
    this.received = rawPacket ?? new Uint8Array();
  }
}

/** Redirects are answers like any other. @throws NoAnswerError */
export async function send({ method, url, headers, body, tls, signal }: Request): Promise<Response> {
  let isSecured = false;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = url.startsWith('https:')
      ? tlsRequest(url, { method, headers, signal, ...tls })
      : plainRequest(url, { method, headers, signal });
    request.on('socket', (socket) => {
      const look = () => {
        isSecured = (socket as TLSSocket).authorized === true;
      };
      // One that was kept from an earlier request has shaken hands, and never says so again.
      if (request.reusedSocket) look();
      else socket.once('secureConnect', look);
    });
    request.on('response', resolve);
    request.on('error', (error) => reject(new NoAnswerError(error, isSecured)));
    request.end(body);
  });
  return {
    status: response.statusCode as number,
    headers: response.headers,
    text: () => text(response),
    chunks: response,
    get trailers() {
      return response.trailers;
    },
  };
}
