/** Parsers for the settings of receivers of metrics. Errors never contain what may be secret. */
import { Expected, type Kind, labels } from './kinds.ts';

/** A URL to post to, as it was written. User and password in it are credentials. */
export function receiverUrl(example: string): Kind<string> {
  return {
    parse(text) {
      const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? URL.parse(text) : null;
      if (url === null) throw new Expected(`a URL such as ${example}`);
      const { protocol, hash, username, password } = url;
      if (protocol !== 'http:' && protocol !== 'https:') {
        throw new Expected(`a URL that begins with http:// or https://, such as ${example}`);
      }
      if (hash !== '') throw new Expected(`a URL without "#", such as ${example}`);
      for (const part of [username, password]) decoded(part, 'a URL in which a percent sign is written as %25');
      return text;
    },
  };
}

/** What of a receiver's URL may be shown: neither user, nor password, nor parameters. */
export function shownUrl(text: string): string {
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What the sender itself sets. */
const RESERVED_HEADERS = [
  ...['connection', 'content-encoding', 'content-length', 'content-type', 'expect', 'host', 'keep-alive', 'te'],
  ...['trailer', 'transfer-encoding', 'upgrade', 'user-agent', 'x-prometheus-remote-write-version'],
];
const HEADERS_EXAMPLE = 'headers such as X-Scope-OrgID=fleet,X-Key=abc';

/**
 * Comma-separated `name=value` pairs; in values, `%2C` is a comma and `%25` a percent sign, as in OTEL_EXPORTER_OTLP_HEADERS. The
 * names of the result are those that were written.
 */
export const requestHeaders: Kind<Readonly<Record<string, string>>> = {
  parse(text) {
    const headers = new Map<string, string>();
    const seen = new Set<string>();
    for (const item of text.split(',')) {
      if (item.trim() === '') continue;
      const at = item.indexOf('=');
      const name = item.slice(0, Math.max(0, at)).trim();
      // The whole item may be a part of a secret, so none of it is repeated.
      if (!HEADER_NAME.test(name)) throw new Expected(`${HEADERS_EXAMPLE}; in values, write a comma as %2C`);
      const key = name.toLowerCase();
      if (RESERVED_HEADERS.includes(key)) throw new Expected(`headers other than ${name}, which Pulselane itself sets`);
      if (seen.has(key)) throw new Expected(`each header only once, but ${name} occurs twice`);
      seen.add(key);
      const value = decoded(item.slice(at + 1).trim(), `${HEADERS_EXAMPLE}; in values, write a percent sign as %25`);
      if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) throw new Expected(`a value of ${name} without control characters`);
      headers.set(name, value);
    }
    if (headers.size === 0) throw new Expected(HEADERS_EXAMPLE);
    return Object.fromEntries(headers);
  },
};

/** What HTTP and gRPC can carry in a header, see RFC 6750, 2.1. */
export const bearerToken: Kind<string> = {
  parse(text) {
    if (!/^[\x21-\x7e]+$/.test(text)) throw new Expected('a token of ASCII characters, without spaces');
    return text;
  },
};

/** Labels that are added to series. */
export const seriesLabels: Kind<Readonly<Record<string, string>>> = {
  emptyCounts: true,
  parse(text) {
    const all = labels.parse(text);
    for (const name of Object.keys(all)) {
      if (/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) && !name.startsWith('__')) continue;
      throw new Expected(
        `names of labels of letters, digits and "_", without "__" at the start; ${JSON.stringify(name)} is none`,
      );
    }
    return all;
  },
};

/** Comma-separated names of metric families, with `*` for any text; undefined: all. */
export const familyNames: Kind<readonly string[] | undefined> = {
  parse(text) {
    const names = text.split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
    for (const name of names) {
      if (/^[a-zA-Z0-9_:*]+$/.test(name)) continue;
      throw new Expected(`names such as pulselane_worker_*, separated by commas; ${JSON.stringify(name)} is none`);
    }
    return names.length === 0 || names.includes('*') ? undefined : names;
  },
};

function decoded(text: string, expected: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Expected(expected);
  }
}
