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
 * No Host (HTTP/1.0) is allowed: no browser leaves it out. The authority of a target in absolute form
 * (`GET http://name/path`) must be the same as Host, and counts as Host where there is none.
 */
import { isIP } from 'node:net';

const LOOPBACK_NAME = /^(?:localhost|[^:]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/i;

/** `host[:port]`, as RFC 9110 has it: neither a user, nor a path, nor a list. */
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+;=%-]+)(?::\d{0,5})?$/i;

export interface HostFacts {
  /** Of a target in absolute form. */
  readonly target: { readonly scheme: string; readonly authority: string } | undefined;
  /** Host headers; empty for HTTP/1.0. */
  readonly hosts: readonly string[];
}

/**
 * What is wrong with the names under which a request asks for this server; undefined if nothing is. Whoever reads only one of
 * several, or the other one, would be asked by a name that was not checked.
 */
export function hostMistake({ target, hosts }: HostFacts): string | undefined {
  const [host = ''] = hosts;
  if (hosts.length > 1) return 'more than one Host';
  if (host !== '' && !HOST.test(host)) return 'the Host is none: expected a name or an address, with or without a port';
  if (target === undefined) return undefined;
  if (!HOST.test(target.authority)) return 'the authority of the target is none';
  if (hosts.length > 0 && !isSameAuthority(target, host)) return 'the Host is not the authority of the target';
  return undefined;
}

function isSameAuthority({ scheme, authority }: { scheme: string; authority: string }, host: string): boolean {
  const usual = scheme === 'https' ? /:(?:443)?$/ : /:(?:80)?$/;
  const plain = (text: string) => text.toLowerCase().replace(usual, '');
  return plain(authority) === plain(host);
}

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
