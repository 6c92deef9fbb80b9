/** Who asks, where each may have a share: a token with its sessions, however it came, or else an address. */
import { networkOf } from '../../lib/networks.ts';
import type { HttpContext, HttpEnv } from '../context.ts';

/** Equal for requests that count together; undefined: nobody who could have a share. */
export function clientKeyOf(c: HttpContext): string | undefined {
  const identity = c.get('identity');
  if (identity !== undefined) return `token ${identity.name}`;
  // Hono gives no bindings at all where there is no server.
  const address = (c.env as HttpEnv['Bindings'] | undefined)?.incoming?.socket?.remoteAddress;
  return address === undefined ? undefined : `address ${networkOf(address)}`;
}
