/**
 * What may change something: a request from this very machine, by no page in somebody's browser and through no proxy that
 * says that it is one. A proxy on this machine that says nothing cannot be told from a local client: only authentication
 * can do that, and there is none yet.
 */
import type { HttpContext, HttpEnv } from './context.ts';

const LOOPBACK_PEER = /^(?:127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
/** Under any other name it may be a page that had its own name point here (DNS rebinding). */
const LOOPBACK_HOST = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i;

const PROXY_HEADER = /^(?:forwarded|via|x-forwarded-.*|x-real-ip)$/;

/** Why the request may not change anything; undefined if it may. */
export function notLocalReason(c: HttpContext): string | undefined {
  const { incoming } = (c.env ?? {}) as HttpEnv['Bindings'];
  if (!LOOPBACK_PEER.test(incoming?.socket?.remoteAddress ?? ''))
    return 'only from the machine that the master runs on, through localhost';
  const { headers = {} } = incoming ?? {};
  if (Object.keys(headers).some((name) => PROXY_HEADER.test(name))) return 'not through a proxy';
  const host = headers.host ?? '';
  if (!LOOPBACK_HOST.test(host)) return 'only under a name of loopback, such as localhost';
  if (headers.origin !== undefined && headers.origin !== `http://${host}`) return 'not from a page of another origin';
  return undefined;
}
