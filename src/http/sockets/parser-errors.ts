/**
 * What Node's parser refuses before there is a request: answered as Node itself does, and counted by reason. It is plain
 * HTTP without a body, since nothing is known of who asks or of what.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpRefusalReason, HttpRefusals } from '../http-refusals.ts';
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
/** The client hung up: nothing was refused. */
const GONE: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ETIMEDOUT']);

/** What to answer to a parser's error of that code; undefined if there is nobody to answer. */
export function answerTo(code: string | undefined): Answer | undefined {
  if (code !== undefined && GONE.has(code)) return undefined;
  return (code === undefined ? undefined : BY_CODE[code]) ?? MALFORMED;
}

/** Answers and counts what the server's parser refuses, and connections that it closes since nothing moves on them. */
export function watchParser(server: Server, refusals: HttpRefusals, bare: BareSockets): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const answer = answerTo(error.code);
    if (answer === undefined) return void socket.destroy();
    refusals.count(answer.reason);
    // Behind an answer that has begun it would be taken for its end.
    if (socket.writable && !hasBegunToAnswer(socket))
      socket.write(`HTTP/1.1 ${answer.status}\r\nConnection: close\r\n\r\n`);
    socket.destroy();
  });
  server.on('timeout', (socket: Socket) => {
    refusals.count('idle');
    socket.destroy();
  });
  // A tunnel is none of our services.
  server.on('connect', (_, socket: Socket) => {
    refusals.count('malformed');
    // Behind requests that are not answered yet it would be taken for the answer to the first of them.
    if (hasMoreToAnswer(socket)) return void socket.destroy();
    bare.bound(socket);
    socket.write(
      'HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD, POST, DELETE, OPTIONS\r\nConnection: close\r\n\r\n',
    );
    socket.destroySoon();
  });
}

/** As Node itself looks at it: the answer that is under way on a connection. */
function answerOn(socket: Socket): { readonly headersSent: boolean } | null | undefined {
  return (socket as Socket & { _httpMessage?: { headersSent: boolean } | null })._httpMessage;
}

function hasBegunToAnswer(socket: Socket): boolean {
  return answerOn(socket)?.headersSent === true;
}

function hasMoreToAnswer(socket: Socket): boolean {
  return answerOn(socket) != null;
}
