/** What a master that has just started says of itself: where it listens, its lanes, and what to try next. */
import type { HttpAccess } from '../../app/running-master.ts';
import { type Address, formatAddress, LOOPBACK } from '../../config/kinds.ts';
import type { LanePlan } from '../../engine/thread-budget.ts';
import { lanePlanText } from '../views/lane-plan-text.ts';

/** An address that can be called from this machine: one that is bound to all interfaces is called over loopback. */
export function callable({ host, port }: Address): string {
  const isWildcard = host === '' || host === '0.0.0.0' || host === '::';
  return formatAddress({ host: isWildcard ? LOOPBACK : host, port });
}

const PLAIN_HTTP: HttpAccess = { isEncrypted: false, asksForToken: false };

/** The origin of the HTTP API; undefined if it is off. */
export function httpUrlOf(address: Address | undefined, { isEncrypted } = PLAIN_HTTP): string | undefined {
  return address === undefined ? undefined : `${isEncrypted ? 'https' : 'http'}://${callable(address)}`;
}

export interface Listening {
  readonly grpcAddress: Address;
  readonly httpAddress: Address | undefined;
  /** Undefined: plain HTTP, and no token. */
  readonly httpAccess?: HttpAccess;
}

export interface Started extends Listening {
  readonly manager: { readonly lanePlan: LanePlan };
}

/** For a terminal: a line each. */
export function announcementLines(
  { grpcAddress, httpAddress, httpAccess, manager }: Started,
  hasAgent: boolean,
): string[] {
  const url = httpUrlOf(httpAddress, httpAccess);
  const agent = hasAgent ? [] : [`pulselane agent --master ${callable(grpcAddress)}`];
  const curl = url === undefined ? [] : [curlOf(url, httpAccess)];
  return [
    `gRPC listens on ${bound(grpcAddress)}: workers report there`,
    httpAddress === undefined ? 'HTTP is off (HTTP_PORT)' : `HTTP listens on ${bound(httpAddress)}`,
    lanePlanText(manager.lanePlan),
    `Try next: ${[...agent, ...curl].map((command) => `${command}, `).join('')}or type workers or help here`,
  ];
}

/** For programs that read the log. */
export function announcementFields({ grpcAddress, httpAddress, httpAccess }: Listening): Record<string, string>[] {
  const url = httpUrlOf(httpAddress, httpAccess);
  return [
    { protocol: 'grpc', address: bound(grpcAddress), try: `pulselane agent --master ${callable(grpcAddress)}` },
    ...(httpAddress === undefined || url === undefined
      ? []
      : [{ protocol: 'http', address: bound(httpAddress), try: curlOf(url, httpAccess) }]),
  ];
}

function curlOf(url: string, { asksForToken } = PLAIN_HTTP): string {
  return `curl ${asksForToken ? '-H "Authorization: Bearer $PULSELANE_TOKEN" ' : ''}${url}/telemetry`;
}

function bound(address: Address): string {
  return address.host === '' ? `:${address.port} (all interfaces)` : formatAddress(address);
}
