/**
 * Serves the requests of one connection one after another. Node emits pipelined requests as they arrive, so one could be
 * served while the answer before it is in progress. Its response has no connection until then, and is never told if the
 * connection closes: a lent body or a live client's place would never be returned.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { MAX_PIPELINED } from '../http-limits.ts';

/** How many requests wait on each connection. */
const waiting = new WeakMap<Socket, number>();

/** Serves a request once the earlier answers are sent; never, if the connection closes first or too many requests wait. */
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
    // Data that arrived with it is still emitted.
    if (!socket.destroyed) refused();
    socket.destroy();
    return;
  }
  waiting.set(socket, before + 1);
  outgoing.once('socket', () => {
    waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
    // Only after Node has joined response and socket.
    process.nextTick(serve);
  });
}
