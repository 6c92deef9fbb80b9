/** The address of this machine that another machine sees: the local end of the route to it. */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import type { Clock } from './clock.ts';

/** Limit for resolving a name, since the name server may be unreachable. */
const WITHIN_MS = 1_000;

/**
 * Empty if there is no route, or the name does not resolve in time. Nothing is sent: the kernel only selects the route.
 */
export async function localAddressTowards(
  { host, port }: { readonly host: string; readonly port: number },
  clock: Clock,
): Promise<string> {
  const late = Promise.withResolvers<string>();
  const timer = clock.after(WITHIN_MS, () => late.resolve(''));
  try {
    return await Promise.race([routeTo(host, port), late.promise]);
  } finally {
    timer.cancel();
  }
}

async function routeTo(host: string, port: number): Promise<string> {
  try {
    const { address, family } = await lookup(host);
    return await connected(address, port, family === 6 ? 'udp6' : 'udp4');
  } catch {
    return '';
  }
}

/**
 * Connecting a datagram socket sets its local address. Uses the event, since a callback would also be called for a
 * failure.
 */
async function connected(address: string, port: number, type: 'udp4' | 'udp6'): Promise<string> {
  const socket = createSocket(type);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  socket.once('error', reject);
  socket.once('connect', () => resolve(socket.address().address));
  socket.connect(port, address);
  try {
    return await promise;
  } finally {
    socket.close();
  }
}
