/**
 * What may change something: a request from this very machine. There is no authentication yet, so it must be certain
 * that neither a proxy nor a page in somebody's browser is behind it.
 */
import type { HttpContext, HttpEnv } from './context.ts';

const LOOPBACK_PEER = /^(?:127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
/** Under any other name it may be a page that had its own name point here (DNS rebinding). */
const LOOPBACK_HOST = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i;

/** Why the request may not change anything; undefined if it may. */
export function notLocalReason(c: HttpContext): string | undefined {
  const { incoming } = (c.env ?? {}) as HttpEnv['Bindings'];
  if (!LOOPBACK_PEER.test(incoming?.socket?.remoteAddress ?? ''))
    return 'only from the machine that the master runs on';
  const { headers = {} } = incoming ?? {};
  const isForwarded = Object.keys(headers).some((name) => name === 'forwarded' || name.startsWith('x-forwarded-'));
  if (isForwarded) return 'not through a proxy';
  const host = headers.host ?? '';
  if (!LOOPBACK_HOST.test(host)) return 'only under a name of loopback, such as localhost';
  if (headers.origin !== undefined && headers.origin !== `http://${host}`) return 'not from a page of another origin';
  return undefined;
}
