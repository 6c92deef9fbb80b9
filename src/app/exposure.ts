/** Whether anybody in the network may come in: said once at the start, or a reason not to start. */
import { type Address, formatAddress, isLoopback } from '../config/kinds.ts';

export interface ExposureFacts {
  readonly grpcAddress: Address;
  /** Undefined: HTTP is off. */
  readonly httpAddress: Address | undefined;
  /** Whether workers must prove who they are. */
  readonly asksWorkers: boolean;
  /** Whether the API asks for a token, or for a certificate. */
  readonly asksClients: boolean;
}

/** What stands open to other machines, and what closes it; undefined if nothing does. */
export function exposureOf({ grpcAddress, httpAddress, asksWorkers, asksClients }: ExposureFacts): string | undefined {
  const open = [
    ...(httpAddress === undefined || asksClients || isLoopback(httpAddress.host)
      ? []
      : [`anybody who reaches HTTP on ${shown(httpAddress)} may read everything: set API_TOKENS_FILE`]),
    ...(asksWorkers || isLoopback(grpcAddress.host)
      ? []
      : [
          `anybody who reaches gRPC on ${shown(grpcAddress)} may report as any worker: set WORKER_TOKENS_FILE or TLS_CLIENT_CA`,
        ]),
  ];
  return open.length === 0 ? undefined : open.join('; ');
}

function shown(address: Address): string {
  return address.host === '' ? `:${address.port}` : formatAddress(address);
}
