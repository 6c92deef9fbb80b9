/** What OTLP export is told by the settings. */
import type { OtlpSignal } from '../../../config/otlp-kinds.ts';
import type { ConventionsVersion } from './conventions.ts';

export const OTLP_PROTOCOLS = ['grpc', 'http/protobuf'] as const;
export type OtlpProtocol = (typeof OTLP_PROTOCOLS)[number];

export interface OtlpSettings {
  readonly kind: 'otlp';
  readonly protocol: OtlpProtocol;
  /** `http:` or `https:`, without user and password. For HTTP, `/v1/metrics` and `/v1/logs` are appended; for gRPC it has no path. */
  readonly endpoint: string;
  /** The endpoint without what may be secret. */
  readonly place: string;
  readonly signals: readonly OtlpSignal[];
  readonly compression: 'gzip' | 'none';
  readonly intervalMs: number;
  /** The value of `Authorization`; undefined: none. */
  readonly authorization: string | undefined;
  /** Further headers, none of which the protocol reserves. */
  readonly headers: Readonly<Record<string, string>>;
  /** CA certificates in PEM; undefined: those built into Node. */
  readonly ca: string | undefined;
  /** Attributes of every resource, before ours: they win. */
  readonly resourceAttributes: Readonly<Record<string, string>>;
  /** `service.instance.id` of the master's own resource. */
  readonly masterInstance: string;
  readonly conventions: ConventionsVersion;
  /** Names of families, with `*` for any text; undefined: all. */
  readonly families: readonly string[] | undefined;
}
