/** What a master that has just started says of itself: where it listens, its lanes, and what to try next. */
import type { ClientAccess } from '../../app/running-master.ts';
import { type Address, formatAddress, LOOPBACK } from '../../config/kinds.ts';
import type { LanePlan } from '../../engine/lanes/lane-plan.ts';
import { lanePlanText } from '../views/lane-plan-text.ts';

/** An address that can be called from this machine: one that is bound to all interfaces is called over loopback. */
export function callable({ host, port }: Address): string {
  const isWildcard = host === '' || host === '0.0.0.0' || host === '::';
  return formatAddress({ host: isWildcard ? LOOPBACK : host, port });
}

const OPEN: ClientAccess = { isEncrypted: false, asksForToken: false, asksForCertificate: false };

/** The origin of the HTTP API; undefined if it is off. */
export function httpUrlOf(address: Address | undefined, { isEncrypted } = OPEN): string | undefined {
  return address === undefined ? undefined : `${isEncrypted ? 'https' : 'http'}://${callable(address)}`;
}

export interface Listening {
  readonly grpcAddress: Address;
  readonly httpAddress: Address | undefined;
  /** Undefined: neither TLS nor a token; so too for workers. */
  readonly httpAccess?: ClientAccess;
  readonly grpcAccess?: ClientAccess;
}

export interface Started extends Listening {
  readonly manager: { readonly lanePlan: LanePlan };
}

/** For a terminal: a line each. */
export function announcementLines(
  { grpcAddress, httpAddress, httpAccess, grpcAccess, manager }: Started,
  hasAgent: boolean,
): string[] {
  const url = httpUrlOf(httpAddress, httpAccess);
  const agent = hasAgent ? [] : [agentOf(grpcAddress, grpcAccess)];
  const curl = url === undefined ? [] : [curlOf(url, httpAccess)];
  return [
    `gRPC listens on ${bound(grpcAddress)}: workers report there`,
    httpAddress === undefined ? 'HTTP is off (HTTP_PORT)' : `HTTP listens on ${bound(httpAddress)}`,
    lanePlanText(manager.lanePlan),
    `Try next: ${[...agent, ...curl].map((command) => `${command}, `).join('')}or type workers or help here`,
  ];
}

/** For programs that read the log. */
export function announcementFields({
  grpcAddress,
  httpAddress,
  httpAccess,
  grpcAccess,
}: Listening): Record<string, string>[] {
  const url = httpUrlOf(httpAddress, httpAccess);
  return [
    { protocol: 'grpc', address: bound(grpcAddress), try: agentOf(grpcAddress, grpcAccess) },
    ...(httpAddress === undefined || url === undefined
      ? []
      : [{ protocol: 'http', address: bound(httpAddress), try: curlOf(url, httpAccess) }]),
  ];
}

/** What stands in angle brackets is a file that only its reader knows. */
function agentOf(address: Address, { isEncrypted, asksForToken, asksForCertificate } = OPEN): string {
  return [
    `pulselane agent --master ${callable(address)}`,
    ...(isEncrypted ? ['--tls-ca <ca.pem>'] : []),
    ...(asksForCertificate ? ['--tls-cert <cert.pem> --tls-key <key.pem>'] : []),
    ...(asksForToken ? ['--token-file <file>'] : []),
  ].join(' ');
}

function curlOf(url: string, { isEncrypted, asksForToken, asksForCertificate } = OPEN): string {
  return [
    'curl',
    ...(isEncrypted ? ['--cacert <ca.pem>'] : []),
    ...(asksForCertificate ? ['--cert <cert.pem> --key <key.pem>'] : []),
    ...(asksForToken ? ['-H "Authorization: Bearer $(cat <file>)"'] : []),
    `${url}/telemetry`,
  ].join(' ');
}

function bound(address: Address): string {
  return address.host === '' ? `:${address.port} (all interfaces)` : formatAddress(address);
}
