/** Whether the master can be used from the network without authentication: a warning at the start, or a reason not to start. */
import { type Address, formatAddress, isLoopback } from '../config/kinds.ts';

export interface ExposureFacts {
  readonly grpcAddress: Address;
  /** Undefined: HTTP is off. */
  readonly httpAddress: Address | undefined;
  /** Whether workers must authenticate. */
  readonly asksWorkers: boolean;
  /** Whether the API requires a token or a client certificate. */
  readonly asksClients: boolean;
}

/** What other machines can do without authentication, and the setting that prevents it; undefined if nothing. */
export function exposureOf({ grpcAddress, httpAddress, asksWorkers, asksClients }: ExposureFacts): string | undefined {
  const open = [
    ...(httpAddress === undefined || asksClients || isLoopback(httpAddress.host)
      ? []
      : [`anyone who can reach HTTP on ${shown(httpAddress)} may read everything: set API_TOKENS_FILE`]),
    ...(asksWorkers || isLoopback(grpcAddress.host)
      ? []
      : [
          `anyone who can reach gRPC on ${shown(grpcAddress)} may report as any worker: set WORKER_TOKENS_FILE or TLS_CLIENT_CA`,
        ]),
  ];
  return open.length === 0 ? undefined : open.join('; ');
}

function shown(address: Address): string {
  return address.host === '' ? `:${address.port}` : formatAddress(address);
}
