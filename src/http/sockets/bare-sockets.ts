/**
 * Sockets that Node hands over. For CONNECT and for an upgrade Node takes its own listeners off the socket: nothing would
 * hear an error of it, which would end the thread, and no time-out would end it. So every socket has a listener for errors
 * from its first moment on, and one that is handed over is destroyed soon, unless it becomes a WebSocket.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../lib/clock.ts';
import { SPARE_CONNECTION_MS } from '../http-limits.ts';

export class BareSockets {
  readonly #clock: Clock;
  readonly #timers = new WeakMap<Socket, Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Keeps errors of its sockets from ending the thread; before it listens. */
  watch(server: Server): void {
    // Over TLS there are two for each connection: the system's, and the one that Node hands over.
    for (const event of ['connection', 'secureConnection']) {
      server.on(event, (socket: Socket) => socket.on('error', () => {}));
    }
  }

  /** Destroys it after SPARE_CONNECTION_MS, even if its client sends a byte now and then, which an idle time-out would wait for. */
  bound(socket: Socket): void {
    const timer = this.#clock.after(SPARE_CONNECTION_MS, () => socket.destroy());
    this.#timers.set(socket, timer);
    socket.once('close', () => timer.cancel());
  }

  /** It became a WebSocket, whose pings tell whether anybody is there. */
  release(socket: Socket): void {
    this.#timers.get(socket)?.cancel();
    this.#timers.delete(socket);
  }
}
