/** Which of this machine's addresses a master sees: the local end of the route to it. */
import { createSocket } from 'node:dgram';
import type { Address } from '../../config/kinds.ts';
import type { Clock } from '../../lib/clock.ts';

/** Names are resolved on the way, and a name server may be out of reach. */
const WITHIN_MS = 1_000;

/** Empty if there is no route. Connecting a datagram socket sends nothing: the kernel only chooses the route. */
export async function localAddressTowards({ host, port }: Address, clock: Clock): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const timer = clock.after(WITHIN_MS, () => resolve(''));
  socket.once('error', () => resolve(''));
  socket.once('connect', () => resolve(socket.address().address));
  socket.connect(port, host);
  try {
    return await promise;
  } finally {
    timer.cancel();
    socket.close();
  }
}
