/** Which address of this master a worker is told in MasterRegister. */
import { createSocket } from 'node:dgram';
import { type Address, formatAddress } from '../config/kinds.ts';
import { PulselaneError } from '../lib/errors.ts';

export interface AdvertiseFacts {
  /** ADVERTISE_ADDRESS, if it is set. */
  readonly configured: Address | undefined;
  /** Where the gRPC server is bound; a host of `''` means all interfaces. */
  readonly bound: Address;
  /** The local address of the route to the worker. */
  readonly routeHost: string;
}

/** @throws PulselaneError `environment` if the server cannot be reached from where the worker is. */
export function advertisedAddress({ configured, bound, routeHost }: AdvertiseFacts): string {
  if (configured !== undefined) return formatAddress(configured);
  const allInterfaces = ['', '0.0.0.0', '::'].includes(bound.host);
  if (allInterfaces) return formatAddress({ host: routeHost, port: bound.port });
  if (isLoopback(bound.host) && !isLoopback(routeHost)) {
    throw new PulselaneError(
      'environment',
      `the gRPC server is bound to ${formatAddress(bound)}, which a remote worker cannot reach: ` +
        'set GRPC_PORT to an address of this machine, or ADVERTISE_ADDRESS',
    );
  }
  return formatAddress(bound);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127\./.test(host);
}

/** The local address that packets to `peer` leave from. Nothing is sent. */
export async function routeHostTo(peer: Address): Promise<string> {
  // An unconnected UDP socket chooses its family by the first lookup; names and IPv4 addresses do with udp4.
  const socket = createSocket(peer.host.includes(':') ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(peer.port, peer.host, () => resolve());
    });
    return socket.address().address;
  } finally {
    socket.close();
  }
}
