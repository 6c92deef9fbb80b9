import fc from 'fast-check';
import { expect, test } from 'vitest';
import { networkOf } from '../../src/lib/networks.ts';

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8::6', '2001:db8:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1:2:3:4', 'fe80:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  // Names of interfaces may hold dots: those of VLANs do.
  ['fe80::1%eth0.100', 'fe80:0:0:0::/64'],
  ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  ['', ''],
])('%s counts as %s', (address, network) => expect(networkOf(address)).toBe(network));

test('machines of one /64 network are one peer, and those of others are not', () => {
  const group = fc.integer({ min: 0, max: 0xffff });
  const groups = (length: number) => fc.array(group, { minLength: length, maxLength: length });
  const text = (parts: number[]) => new URL(`http://[${parts.map((part) => part.toString(16)).join(':')}]`).hostname;
  const written = (parts: number[]) => text(parts).slice(1, -1);
  fc.assert(
    fc.property(groups(4), groups(4), groups(4), groups(4), (network, other, one, two) => {
      // What looks like an embedded IPv4 address is one.
      fc.pre(network.some((part) => part !== 0));
      expect(networkOf(written([...network, ...one]))).toBe(networkOf(written([...network, ...two])));
      fc.pre(network.join() !== other.join() && other.some((part) => part !== 0));
      expect(networkOf(written([...other, ...one]))).not.toBe(networkOf(written([...network, ...one])));
    }),
  );
});
