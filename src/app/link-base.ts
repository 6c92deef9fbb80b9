/** The base of links in alerts, if PUBLIC_URL does not say it: the address of HTTP. */
import { hostname } from 'node:os';
import { type Address, formatAddress, isLoopback } from '../config/kinds.ts';

/**
 * An address that is bound to all interfaces is called by the machine's name, as others call it.
 * @param address of HTTP; undefined: it is off, nobody can open a page of the master, and the base is empty
 */
export function linkBase(address: Address | undefined, isEncrypted: boolean, machine = hostname()): string {
  if (address === undefined) return '';
  const { host, port } = address;
  const isWildcard = host === '' || host === '0.0.0.0' || host === '::';
  return `${isEncrypted ? 'https' : 'http'}://${formatAddress({ host: isWildcard ? machine : host, port })}`;
}

/**
 * What people who get alerts elsewhere cannot do with their links; undefined: nothing.
 * @param address of HTTP
 */
export function linkWarning(publicUrl: string | undefined, address: Address | undefined): string | undefined {
  if (publicUrl !== undefined) return undefined;
  const example = 'set PUBLIC_URL, such as https://pulselane.example.org';
  if (address === undefined) return `alerts have no links, because HTTP is off: ${example}`;
  if (!isLoopback(address.host)) return undefined;
  return `links in alerts lead to ${formatAddress(address)}, which only this machine can open: ${example}`;
}
