/** Chooses the address of this master that MasterRegister sends to a worker. */
import { type Address, formatAddress, isLoopback } from '../config/kinds.ts';
import { PulselaneError } from '../lib/errors.ts';

export interface AdvertiseFacts {
  /** ADVERTISE_ADDRESS, if it is set. */
  readonly configured: Address | undefined;
  /** The address the gRPC server is bound to; host `''` means all interfaces. */
  readonly bound: Address;
  /** The local address of the route to the worker; empty if there is no route. */
  readonly routeHost: string;
}

/** @throws PulselaneError `environment` if the worker cannot reach the server, or no address can be determined. */
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
