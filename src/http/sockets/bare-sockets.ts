/**
 * Sockets that Node hands over. For CONNECT and upgrades, Node removes its own listeners from the socket: an error would then
 * end the thread, and no time-out would close the socket. So every socket gets an error listener from the start, and a
 * handed-over socket is destroyed soon unless it becomes a WebSocket.
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

  /** Keeps errors of the server's sockets from ending the thread. Call it before listening. */
  watch(server: Server): void {
    // With TLS there are two per connection: the system's socket, and the one that Node hands over.
    for (const event of ['connection', 'secureConnection']) {
      server.on(event, (socket: Socket) => socket.on('error', () => {}));
    }
  }

  /** Destroys it after SPARE_CONNECTION_MS, even if the client keeps sending bytes, which would defeat an idle time-out. */
  bound(socket: Socket): void {
    const timer = this.#clock.after(SPARE_CONNECTION_MS, () => socket.destroy());
    this.#timers.set(socket, timer);
    socket.once('close', () => timer.cancel());
  }

  /** It became a WebSocket, whose pings detect a dead client. */
  release(socket: Socket): void {
    this.#timers.get(socket)?.cancel();
    this.#timers.delete(socket);
  }
}
