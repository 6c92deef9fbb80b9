/**
 * By which names this server may be addressed. Protects against DNS rebinding: a page whose own name was made to resolve to
 * this machine sends that name as Host, and its browser would treat our answers as the page's own.
 *
 * | listens on        | Host must be                                                                                |
 * |-------------------|---------------------------------------------------------------------------------------------|
 * | loopback          | a loopback name, or one of ALLOWED_HOSTS                                                    |
 * | beyond, a list    | one of ALLOWED_HOSTS, a loopback name, or an IP address, which DNS cannot rebind            |
 * | beyond, no list   | anything, since a machine's names are not all known. But without tokens, for direct         |
 * |                   | requests from this machine: a loopback name, an IP address or the machine's own name;       |
 * |                   | otherwise a page in a local browser could reach what a firewall hides from others. With     |
 * |                   | tokens such a page has no token, and the cookie belongs to another name.                    |
 *
 * A missing Host (HTTP/1.0) is allowed: every browser sends one. The authority of a target in absolute form
 * (`GET http://name/path`) must equal Host, and replaces a missing one.
 */
import { isIP } from 'node:net';

const LOOPBACK_NAME = /^(?:localhost|[^:]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/i;

/** `host[:port]` as in RFC 9110: no user, path or list. */
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+;=%-]+)(?::\d{0,5})?$/i;

export interface HostFacts {
  /** From a target in absolute form. */
  readonly target: { readonly scheme: string; readonly authority: string } | undefined;
  /** Host headers; empty for HTTP/1.0. */
  readonly hosts: readonly string[];
}

/**
 * What is wrong with the names in a request; undefined if nothing is. With several or different names, a later reader might
 * use one that was not checked.
 */
export function hostMistake({ target, hosts }: HostFacts): string | undefined {
  const [host = ''] = hosts;
  if (hosts.length > 1) return 'more than one Host header';
  if (host !== '' && !HOST.test(host))
    return 'malformed Host header; expected a name or an address, optionally with a port';
  if (target === undefined) return undefined;
  if (!HOST.test(target.authority)) return 'malformed host in the request target';
  if (hosts.length > 0 && !isSameAuthority(target, host))
    return 'the Host header differs from the host in the request target';
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

/** @param isLocal whether the request comes from this machine without a proxy */
export function isHostAllowed(host: string | undefined, isLocal: () => boolean, rules: HostRules): boolean {
  if (host === undefined || host === '') return true;
  const name = nameOf(host);
  if (LOOPBACK_NAME.test(name) || rules.allowedHosts.has(name)) return true;
  if (!rules.listensBeyondLoopback) return false;
  if (rules.allowedHosts.size > 0) return isAddress(name);
  return rules.hasTokens || isAddress(name) || rules.machineNames.has(name) || !isLocal();
}

/** Whether the host is a name that DNS cannot rebind to this server: it names no machine, or this one for certain. */
export function isNamedForCertain(host: string, { allowedHosts, machineNames }: HostRules): boolean {
  const name = nameOf(host);
  return LOOPBACK_NAME.test(name) || isAddress(name) || allowedHosts.has(name) || machineNames.has(name);
}

export function isLoopbackHost(host: string): boolean {
  return LOOPBACK_NAME.test(nameOf(host));
}

/** The name without port, in lower case, without a trailing dot. */
function nameOf(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase().replace(/\.$/, '');
}

function isAddress(name: string): boolean {
  return isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0;
}
