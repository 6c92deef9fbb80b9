/** What remote write is told by the settings. */

/** `auto`: 2.0 where the receiver takes it. */
export const REMOTE_WRITE_VERSIONS = ['auto', '2.0', '1.0'] as const;
export type RemoteWriteVersion = (typeof REMOTE_WRITE_VERSIONS)[number];

export interface RemoteWriteSettings {
  readonly kind: 'remote_write';
  /** `http:` or `https:`, without user and password. */
  readonly url: string;
  /** The URL without what may be secret. */
  readonly place: string;
  /** What is tried first. */
  readonly protocol: string;
  readonly version: RemoteWriteVersion;
  readonly intervalMs: number;
  /** The value of `Authorization`; undefined: none. */
  readonly authorization: string | undefined;
  /** Further headers, none of which the protocol reserves. */
  readonly headers: Readonly<Record<string, string>>;
  /** CA certificates in PEM; undefined: those built into Node. */
  readonly ca: string | undefined;
  /** Added to each series. One of its own with such a name gets the prefix `exported_`. */
  readonly externalLabels: Readonly<Record<string, string>>;
  /** Names of families, with `*` for any text; undefined: all. */
  readonly families: readonly string[] | undefined;
}
