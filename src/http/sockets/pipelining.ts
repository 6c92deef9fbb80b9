/**
 * Requests of one connection are served one after the other. Node hands them over as they come, so that one may be served
 * while the answer before it is still being made; its response has no connection until then, and is never told that there
 * will be none: neither a body that is lent to it nor the place of a live client would ever come back.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { MAX_PIPELINED } from '../http-limits.ts';

/** How many requests wait on each connection. */
const waiting = new WeakMap<Socket, number>();

/** Serves a request when the answers before it are sent; never, if the connection ends first, or has too many that wait. */
export function inTurn(
  { socket }: IncomingMessage,
  outgoing: ServerResponse,
  { serve, refused }: { readonly serve: () => void; readonly refused: () => void },
): void {
  if (outgoing.socket !== null) {
    serve();
    return;
  }
  const before = waiting.get(socket) ?? 0;
  if (before >= MAX_PIPELINED) {
    // What came with it is handed over all the same.
    if (!socket.destroyed) refused();
    socket.destroy();
    return;
  }
  waiting.set(socket, before + 1);
  outgoing.once('socket', () => {
    waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
    // Not before Node is done with joining the two.
    process.nextTick(serve);
  });
}
