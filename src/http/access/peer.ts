/** Facts about a connection's peer: whether it is this machine, and whether it is a proxy. */

const LOOPBACK_PEER = /^(?:127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;

export function isLoopbackPeer(address: string | undefined): boolean {
  return address !== undefined && LOOPBACK_PEER.test(address);
}

const PROXY_HEADER = /^(?:forwarded|via|x-forwarded-.*|x-real-ip)$/;

/** Whether a proxy forwarded the request and says so. A silent proxy is indistinguishable from a client on its machine. */
export function isProxied(headers: Headers): boolean {
  return Object.keys(headers).some((name) => PROXY_HEADER.test(name));
}

/** Names in lower case, as in Node. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;
