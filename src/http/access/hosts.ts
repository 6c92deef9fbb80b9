/**
 * Under which names this server may be asked. Against DNS rebinding: a page whose own name was made to point here sends
 * that name as Host, and the browser takes our answers for the page's own.
 *
 * | listens on      | Host must be                                                                                  |
 * |-----------------|-----------------------------------------------------------------------------------------------|
 * | loopback        | a name of loopback, or one of ALLOWED_HOSTS                                                   |
 * | beyond, a list  | one of ALLOWED_HOSTS, a name of loopback, or an IP address, which no DNS can rebind           |
 * | beyond, no list | anything: nobody knows under which names a machine goes. But without tokens, and from this    |
 * |                 | machine by no proxy: a name of loopback, an IP address or the machine's own name, since a     |
 * |                 | page in a browser here would otherwise reach what a firewall keeps from everybody else. With  |
 * |                 | tokens such a page has none, and its name is not the one to which the cookie belongs.         |
 *
 * No Host (HTTP/1.0) is allowed: no browser leaves it out.
 */
import { isIP } from 'node:net';

const LOOPBACK_NAME = /^(?:localhost|[^:]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/i;

export interface HostRules {
  readonly listensBeyondLoopback: boolean;
  /** In lower case, without ports. */
  readonly allowedHosts: ReadonlySet<string>;
  /** Names of this machine, in lower case. */
  readonly machineNames: ReadonlySet<string>;
  readonly hasTokens: boolean;
}

/** @param isLocal the request comes from this machine, and no proxy says that it passed it on */
export function isHostAllowed(host: string | undefined, isLocal: () => boolean, rules: HostRules): boolean {
  if (host === undefined || host === '') return true;
  const name = nameOf(host);
  if (LOOPBACK_NAME.test(name) || rules.allowedHosts.has(name)) return true;
  if (!rules.listensBeyondLoopback) return false;
  if (rules.allowedHosts.size > 0) return isAddress(name);
  return rules.hasTokens || isAddress(name) || rules.machineNames.has(name) || !isLocal();
}

export function isLoopbackHost(host: string): boolean {
  return LOOPBACK_NAME.test(nameOf(host));
}

/** Without the port, in lower case, without the dot that ends a full name. */
function nameOf(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase().replace(/\.$/, '');
}

function isAddress(name: string): boolean {
  return isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0;
}
