/** Defines what counts as one peer for limits per address. */

/** An address as people write it: `::ffff:10.0.0.1` is how a dual-stack socket shows an IPv4 client. */
export function plainAddress(address: string): string {
  return address.includes('.') ? address.slice(address.lastIndexOf(':') + 1) : address;
}

/**
 * An IPv4 address, or the /64 network of an IPv6 address, whose other half its owner can choose freely.
 * @param address in the format of Node's sockets
 */
export function networkOf(address: string): string {
  // The zone names the local interface.
  const bare = address.includes('%') ? (address.split('%', 1)[0] as string) : address;
  if (bare.includes('.')) return plainAddress(bare);
  if (!bare.includes(':')) return bare;
  const [head = '', tail] = bare.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0');
  return `${[...first, ...zeros, ...last].slice(0, 4).join(':')}::/64`;
}
