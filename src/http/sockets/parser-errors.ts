/**
 * Answers what Node's HTTP parser refuses, as Node itself does, and counts it by reason. The answer is plain HTTP without a
 * body, because nothing is known about the request.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpRefusalReason } from '../../model/http-figures.ts';
import type { HttpRefusals } from '../http-refusals.ts';
import type { BareSockets } from './bare-sockets.ts';

interface Answer {
  readonly status: string;
  readonly reason: HttpRefusalReason;
}

const BY_CODE: Readonly<Record<string, Answer>> = {
  HPE_HEADER_OVERFLOW: { status: '431 Request Header Fields Too Large', reason: 'headers' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: '413 Payload Too Large', reason: 'body' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: '408 Request Timeout', reason: 'timeout' },
};
const MALFORMED: Answer = { status: '400 Bad Request', reason: 'malformed' };
/** The client disconnected: nothing was refused. */
const GONE: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ETIMEDOUT']);

/** The answer to a parser error of this code; undefined if there is nobody to answer. */
export function answerTo(code: string | undefined): Answer | undefined {
  if (code !== undefined && GONE.has(code)) return undefined;
  return (code === undefined ? undefined : BY_CODE[code]) ?? MALFORMED;
}

/** Answers and counts parser errors and idle connections of the server. */
export function watchParser(server: Server, refusals: HttpRefusals, bare: BareSockets): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const answer = answerTo(error.code);
    if (answer === undefined) return void socket.destroy();
    refusals.count(answer.reason);
    // After the start of a response, it would be taken for part of it.
    if (socket.writable && !hasBegunToAnswer(socket))
      socket.write(`HTTP/1.1 ${answer.status}\r\nConnection: close\r\n\r\n`);
    socket.destroy();
  });
  server.on('timeout', (socket: Socket) => {
    refusals.count('idle');
    socket.destroy();
  });
  // CONNECT tunnels are not supported.
  server.on('connect', (_, socket: Socket) => {
    refusals.count('malformed');
    // With requests still unanswered, it would be taken for the answer to the first of them.
    if (hasMoreToAnswer(socket)) return void socket.destroy();
    bare.bound(socket);
    socket.write(
      'HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD, POST, DELETE, OPTIONS\r\nConnection: close\r\n\r\n',
    );
    socket.destroySoon();
  });
}

/** The response in progress on a connection, found as Node itself does. */
function answerOn(socket: Socket): { readonly headersSent: boolean } | null | undefined {
  return (socket as Socket & { _httpMessage?: { headersSent: boolean } | null })._httpMessage;
}

function hasBegunToAnswer(socket: Socket): boolean {
  return answerOn(socket)?.headersSent === true;
}

function hasMoreToAnswer(socket: Socket): boolean {
  return answerOn(socket) != null;
}
