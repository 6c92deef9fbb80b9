/** `DATABASE_URL`: which PostgreSQL keeps history. Errors and the shown form never contain any of its password. */
import { Expected, type Kind } from './kinds.ts';

/** What of a URL may be shown. */
export interface DatabaseAddress {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  /** Undefined: the one named like the user. */
  readonly database: string | undefined;
  /** Undefined: see `withCredentials`. */
  readonly user: string | undefined;
}

const SCHEMES = ['postgres:', 'postgresql:'];
const EXAMPLE = 'a URL such as postgres://user:password@host:5432/database';
/** Those of libpq that verify nothing less than they say; `no-verify` is the driver's own. */
const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];
/** All others would have no effect, or one that nobody has tried: those of the driver, and of libpq what hosts put into their URLs. */
const PARAMETERS = [
  ...['host', 'port', 'user', 'password', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation', 'ssl'],
  ...['uselibpqcompat', 'application_name', 'options', 'client_encoding', 'connect_timeout', 'target_session_attrs'],
  'channel_binding',
];
const DEFAULT_HOST = 'localhost';
const DEFAULT_PORT = 5432;
const MAX_PORT = 65_535;

/** The URL as it was written, once it is known to be one. */
export const databaseUrl: Kind<string> = {
  parse(text) {
    databaseAddress(text);
    return text;
  },
};

/** @throws Expected if it is no URL of a PostgreSQL database */
export function databaseAddress(text: string): DatabaseAddress {
  const scheme = /^([a-z][a-z0-9+.-]*:)\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) throw new Expected(EXAMPLE);
  if (!SCHEMES.includes(scheme)) throw new Expected(`${EXAMPLE}; a URL that begins with ${scheme}// is not supported`);
  // Elsewhere these would end the password, and the rest of it would count as host, path or query.
  const misread = new Expected(
    `${EXAMPLE}; in the user and the password, write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A, % as %25, and a space as %20`,
  );
  if (/\s|%(?![0-9a-f]{2})/i.test(text)) throw misread;
  // A user without a host, with a Unix socket in `?host=`, is valid here, but not for `URL`.
  const url = URL.parse(text.replace('@/', `@${DEFAULT_HOST}/`));
  if (url === null && hasWrongPort(text)) throw wrongPort();
  if (url === null || url.hash !== '') throw misread;
  const named = new Map(url.searchParams);
  const database = decoded(url.pathname.slice(1), misread);
  if (/[@/]/.test(database) || [...named.keys()].some((name) => !/^[a-z_]+$/i.test(name))) throw misread;
  checkParameters(named);
  return {
    host: hostOf(named.get('host') || decoded(url.hostname, misread)),
    port: portOf(named.get('port') || url.port),
    database: database || undefined,
    user: named.get('user') || decoded(url.username, misread) || undefined,
  };
}

/** `host:port/database`, as it stands in log lines and answers. */
export function formatDatabase({ host, port, database, user }: DatabaseAddress): string {
  const shown = host.includes(':') ? `[${host}]` : host;
  return `${shown}:${port}/${database ?? user ?? ''}`;
}

function decoded(part: string, misread: Expected): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw misread;
  }
}

function hostOf(text: string): string {
  if (text.includes(',')) throw new Expected('a URL with one host; several hosts are not supported');
  return text.replace(/^\[(.+)\]$/, '$1') || DEFAULT_HOST;
}

function portOf(text: string): number {
  const port = text === '' ? DEFAULT_PORT : Number(text);
  if (!(Number.isInteger(port) && port >= 1 && port <= MAX_PORT)) throw wrongPort();
  return port;
}

function wrongPort(): Expected {
  return new Expected(`a port from 1 to ${MAX_PORT}`);
}

/** With another port it would be a URL. An @ after it would show that it is the beginning of a password. */
function hasWrongPort(text: string): boolean {
  const [, before, after] = /^([^/]+:\/\/[^/?#]*):\d+((?:[/?][^@]*)?)$/.exec(text) ?? [];
  return before !== undefined && URL.canParse(`${before}:${DEFAULT_PORT}${after}`);
}

function checkParameters(named: ReadonlyMap<string, string>): void {
  // It is not repeated: it may be a part of the password.
  if (![...named.keys()].every((name) => PARAMETERS.includes(name))) {
    throw new Expected(`after the ? only ${PARAMETERS.join(', ')}`);
  }
  const mode = named.get('sslmode');
  if (mode !== undefined && !SSL_MODES.includes(mode)) throw new Expected(`sslmode as one of ${SSL_MODES.join(', ')}`);
}
