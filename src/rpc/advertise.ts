/** Which address of this master a worker is told in MasterRegister. */
import { type Address, formatAddress, isLoopback } from '../config/kinds.ts';
import { PulselaneError } from '../lib/errors.ts';

export interface AdvertiseFacts {
  /** ADVERTISE_ADDRESS, if it is set. */
  readonly configured: Address | undefined;
  /** Where the gRPC server is bound; a host of `''` means all interfaces. */
  readonly bound: Address;
  /** The local address of the route to the worker; empty if there is none. */
  readonly routeHost: string;
}

/** @throws PulselaneError `environment` if the server cannot be reached from where the worker is, or nobody knows. */
export function advertisedAddress({ configured, bound, routeHost }: AdvertiseFacts): string {
  if (configured !== undefined) return formatAddress(configured);
  const allInterfaces = ['', '0.0.0.0', '::'].includes(bound.host);
  if (routeHost === '' && (allInterfaces || isLoopback(bound.host))) {
    throw new PulselaneError('environment', 'there is no route to the worker, or its name does not resolve');
  }
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
