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
  /** Whether workers must authenticate to report over HTTP: with HTTP_CLIENT_CERT=off a certificate is required by gRPC only. */
  readonly asksWorkersOverHttp: boolean;
}

/** What other machines can do without authentication, and the setting that prevents it; undefined if nothing. */
export function exposureOf({
  grpcAddress,
  httpAddress,
  asksWorkers,
  asksClients,
  asksWorkersOverHttp,
}: ExposureFacts): string | undefined {
  // Workers report over HTTP, too, and tokens of the API do not concern them.
  const reporting = [
    ...(asksWorkers || isLoopback(grpcAddress.host) ? [] : [`gRPC on ${shown(grpcAddress)}`]),
    ...(asksWorkersOverHttp || httpAddress === undefined || isLoopback(httpAddress.host)
      ? []
      : [`HTTP on ${shown(httpAddress)}`]),
  ];
  const open = [
    ...(httpAddress === undefined || asksClients || isLoopback(httpAddress.host)
      ? []
      : [`anyone who can reach HTTP on ${shown(httpAddress)} may read everything: set API_TOKENS_FILE`]),
    ...(reporting.length === 0
      ? []
      : [
          `anyone who can reach ${reporting.join(' or ')} may report as any worker: set WORKER_TOKENS_FILE or TLS_CLIENT_CA`,
        ]),
  ];
  return open.length === 0 ? undefined : open.join('; ');
}

function shown(address: Address): string {
  return address.host === '' ? `:${address.port}` : formatAddress(address);
}
