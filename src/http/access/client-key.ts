/** Identifies a client for per-client limits: its token, including sessions of that token, or else its address. */
import { networkOf } from '../../lib/networks.ts';
import type { HttpContext, HttpEnv } from '../context.ts';

/** Equal for requests that share a limit; undefined if there is no address either. */
export function clientKeyOf(c: HttpContext): string | undefined {
  const identity = c.get('identity');
  if (identity !== undefined) return `token ${identity.name}`;
  // `app.request()` in tests has no bindings.
  const address = (c.env as HttpEnv['Bindings'] | undefined)?.incoming?.socket?.remoteAddress;
  return address === undefined ? undefined : `address ${networkOf(address)}`;
}
