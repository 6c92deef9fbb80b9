/** Whose connection it is: whether it comes from this very machine, and whether by a proxy. */

const LOOPBACK_PEER = /^(?:127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;

export function isLoopbackPeer(address: string | undefined): boolean {
  return address !== undefined && LOOPBACK_PEER.test(address);
}

const PROXY_HEADER = /^(?:forwarded|via|x-forwarded-.*|x-real-ip)$/;

/** Whether a proxy says that it passed this on. One that says nothing cannot be told from a client of its machine. */
export function isProxied(headers: Headers): boolean {
  return Object.keys(headers).some((name) => PROXY_HEADER.test(name));
}

/** Names in lower case, as Node has them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;
