/** Parsers for the values of settings. */
import { isIP } from 'node:net';
import { shortText } from '../lib/foreign-text.ts';
import { type ApiToken, parseApiTokens } from '../lib/tokens.ts';

/** Parses a setting's text. `parse` throws {@link Expected} if the text is invalid. */
export interface Kind<T> {
  readonly parse: (text: string) => T;
  /** True for flags without a value, such as `--with-agent`. */
  readonly isSwitch?: boolean;
  /** Whether an empty value is a value; otherwise it counts as not set. */
  readonly emptyCounts?: boolean;
  /** All values there are, if they are a few words. */
  readonly choices?: readonly string[];
}

/** Describes what was expected; the resolver adds the setting's name, value and origin. */
export class Expected extends Error {}

/** `host` is `''` for all interfaces. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export const LOOPBACK = '127.0.0.1';

/** Whether a host, as written in a setting, is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) !== 0 && /^(::ffff:)?127\./.test(host));
}

const DAY_MS = 86_400_000;
/** A year has 365 days: it says how long something is kept, not a date. */
const DURATION_UNIT_MS = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: DAY_MS,
  w: 7 * DAY_MS,
  y: 365 * DAY_MS,
} as const;
/** Node's timers take signed 32-bit milliseconds and fire at once for longer delays. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export function durationMs({
  minMs = 0,
  maxMs = LONGEST_TIMER_MS,
}: {
  minMs?: number;
  maxMs?: number;
} = {}): Kind<number> {
  return {
    parse(text) {
      const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w|y)$/.exec(text);
      if (match === null && text !== '0') throw new Expected('a duration such as 500ms, 5s, 2m, 24h, 30d, 4w or 2y');
      // Rounded: 2.01 * 1000 is not exactly 2010 in floating point, and the protocol's intervals are integers.
      const valueMs = Math.round(
        match === null ? 0 : Number(match[1]) * DURATION_UNIT_MS[match[2] as keyof typeof DURATION_UNIT_MS],
      );
      if (valueMs < minMs || valueMs > maxMs) {
        throw new Expected(`a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`);
      }
      return valueMs;
    },
  };
}

/** Undefined for `auto`. */
export function durationMsOrAuto(bounds: { minMs?: number; maxMs?: number } = {}): Kind<number | undefined> {
  return orAuto(durationMs(bounds));
}

/** Formats a duration in the largest unit that divides it: 90000 is `90s`, 7200000 is `2h`. A day is `24h`. */
export function formatDuration(valueMs: number): string {
  for (const unit of ['y', 'w', 'd', 'h', 'm', 's'] as const) {
    const unitMs = DURATION_UNIT_MS[unit];
    if (valueMs >= unitMs && valueMs % unitMs === 0 && !(unit === 'd' && valueMs === DAY_MS))
      return `${valueMs / unitMs}${unit}`;
  }
  return valueMs === 0 ? '0' : `${valueMs}ms`;
}

const ADDRESS_FORMS = ':8080 (all interfaces), 8080, 127.0.0.1:8080 or [::1]:8080';

const MAX_PORT = 65_535;

/** The form is valid; the port number is not. */
class PortOutOfRange extends Expected {
  constructor(minPort: number) {
    super(`a port from ${minPort} to ${MAX_PORT}`);
  }
}

/** @param minPort 0 to listen (any free port); 1 to connect */
function parseAddress(text: string, minPort = 0): Address {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]:|([^:[\]\s]*):)?(\d+)$/.exec(text);
  if (match === null) throw new Expected(ADDRESS_FORMS);
  const port = Number(match[3]);
  if (port < minPort || port > MAX_PORT) throw new PortOutOfRange(minPort);
  return { host: match[1] ?? match[2] ?? LOOPBACK, port };
}

/** @param forms expected forms, for texts of another form */
function inForms<T>(parse: () => T, forms: string): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof PortOutOfRange ? error : new Expected(forms);
  }
}

/** An address to listen on that only this machine can reach. */
export const loopbackAddress: Kind<Address> = {
  parse(text) {
    const forms = 'a port such as 9464, or a loopback address such as 127.0.0.1:9464 or [::1]:9464';
    const address = inForms(() => parseAddress(text), forms);
    if (!isLoopback(address.host)) throw new Expected(forms);
    return address;
  },
};

/** An address to listen on. A port alone binds loopback; a leading colon binds all interfaces. */
export const listenAddress: Kind<Address> = { parse: (text) => parseAddress(text) };

export const listenAddressOrOff: Kind<Address | undefined> = {
  emptyCounts: true,
  parse(text) {
    if (text === '' || text === 'off') return undefined;
    return inForms(() => parseAddress(text), `${ADDRESS_FORMS}, or "off"`);
  },
};

/** An address to connect to: host and port. */
export const peerAddress: Kind<Address> = {
  parse(text) {
    return inForms(() => {
      const address = parseAddress(text, 1);
      if (!text.includes(':') || address.host === '') throw new Expected('a host');
      return address;
    }, 'host:port, such as 10.0.0.5:50051');
  },
};

/** Address on which an agent waits for a master's connection. */
export interface WorkerAddress extends Address {
  readonly isTls: boolean;
}

const TLS_SCHEME = 'tls://';

/** `host:port`, with the prefix `tls://` if the agent uses TLS. */
export const workerAddress: Kind<WorkerAddress> = {
  parse(text) {
    const isTls = text.startsWith(TLS_SCHEME);
    const address = isTls ? text.slice(TLS_SCHEME.length) : text;
    return inForms(
      () => ({ ...peerAddress.parse(address), isTls }),
      'host:port, such as 10.0.0.5:50052, or tls://10.0.0.5:50052',
    );
  },
};

export function formatWorkerAddress(address: WorkerAddress): string {
  return (address.isTls ? TLS_SCHEME : '') + formatAddress(address);
}

/** Distinct addresses to connect to, separated by commas. */
export const peerAddresses: Kind<readonly Address[]> = {
  parse(value) {
    const seen = new Set<string>();
    return value.split(',').map((item) => {
      const part = item.trim();
      // An extra comma may mean that an address was forgotten.
      if (part === '' && value !== '') throw new Expected('host:port between all commas, but one part is empty');
      const address = peerAddressOfList(part);
      const name = formatAddress(address).toLowerCase();
      if (seen.has(name)) throw new Expected(`each address only once, but ${name} occurs twice`);
      seen.add(name);
      return address;
    });
  },
};

function peerAddressOfList(part: string): Address {
  return inForms(
    () => peerAddress.parse(part),
    'host:port, such as 10.0.0.5:50051, or several of them separated by commas',
  );
}

/** `host:port`, with brackets around an IPv6 address. */
export function formatAddress({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export function count({ min, max }: { min: number; max: number }): Kind<number> {
  return {
    parse(text) {
      const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      if (!(value >= min && value <= max)) throw new Expected(`a whole number from ${min} to ${max}`);
      return value;
    },
  };
}

/** A whole number, or undefined for `auto`. */
export function countOrAuto(bounds: { min: number; max: number }): Kind<number | undefined> {
  return orAuto(count(bounds));
}

/** A whole number, undefined for `auto`, or `all`. */
export function countAutoOrAll(bounds: { min: number; max: number }): Kind<number | 'all' | undefined> {
  const number = count(bounds);
  return {
    parse(text) {
      if (text === 'auto') return undefined;
      if (text === 'all') return 'all';
      try {
        return number.parse(text);
      } catch (error) {
        throw new Expected(`${(error as Error).message}, "auto" or "all"`);
      }
    },
  };
}

const SIZE_UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

export function sizeBytes({ minBytes, maxBytes }: { minBytes: number; maxBytes: number }): Kind<number> {
  return {
    parse(text) {
      const match = /^(\d+)(B|KiB|MiB|GiB|TiB)$/.exec(text);
      const valueBytes = Number(match?.[1]) * (SIZE_UNIT_BYTES[match?.[2] ?? ''] ?? Number.NaN);
      if (!(valueBytes >= minBytes && valueBytes <= maxBytes)) {
        throw new Expected(`a size from ${formatSize(minBytes)} to ${formatSize(maxBytes)}, such as 512KiB or 4MiB`);
      }
      return valueBytes;
    },
  };
}

/** Undefined for `auto`. */
export function sizeBytesOrAuto(bounds: { minBytes: number; maxBytes: number }): Kind<number | undefined> {
  return orAuto(sizeBytes(bounds));
}

/** A size in bytes, or a share, 0 to 1, of the memory that the machine or its cgroup allows. */
export type MemoryAmount = { readonly bytes: number } | { readonly share: number };

export function sizeOrShare(bounds: { minBytes: number; maxBytes: number }): Kind<MemoryAmount> {
  const size = sizeBytes(bounds);
  return {
    parse(text) {
      const percent = Number(/^(\d+(?:\.\d+)?)%$/.exec(text)?.[1]);
      if (percent > 0 && percent <= 100) return { share: percent / 100 };
      try {
        return { bytes: size.parse(text) };
      } catch (error) {
        throw new Expected(`${(error as Error).message}, or a percentage of the memory such as 10%`);
      }
    },
  };
}

function orAuto<T>(kind: Kind<T>): Kind<T | undefined> {
  return {
    parse(text) {
      if (text === 'auto') return undefined;
      try {
        return kind.parse(text);
      } catch (error) {
        throw new Expected(`${(error as Error).message}, or "auto"`);
      }
    },
  };
}

function formatSize(valueBytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB'] as const) {
    const unitBytes = SIZE_UNIT_BYTES[unit] as number;
    if (valueBytes >= unitBytes && valueBytes % unitBytes === 0) return `${valueBytes / unitBytes}${unit}`;
  }
  return `${valueBytes}B`;
}

export function choice<const T extends string>(...values: readonly T[]): Kind<T> {
  return {
    choices: values,
    parse(text) {
      const value = values.find((candidate) => candidate === text);
      if (value === undefined) throw new Expected(`one of ${values.join(', ')}`);
      return value;
    },
  };
}

export const text: Kind<string> = { parse: (value) => value };

/** `true` or `false`; as a flag it stands alone. */
export const onOff: Kind<boolean> = {
  isSwitch: true,
  parse(value) {
    if (value === 'true' || value === '1') return true;
    if (value === 'false' || value === '0') return false;
    throw new Expected('true or false');
  },
};

/** The same as a flag with a value: for what is on by default. */
export const trueFalse: Kind<boolean> = { parse: onOff.parse, choices: ['true', 'false'] };

/** Comma-separated browser origins: scheme, host and port, without a path. */
export const origins: Kind<readonly string[]> = {
  emptyCounts: true,
  parse(value) {
    return splitList(value).map((item) => {
      const origin = URL.parse(item)?.origin;
      if (origin !== item) {
        throw new Expected(
          `origins such as http://localhost:3000, without a path or a slash at the end, separated by commas; ` +
            `${JSON.stringify(item)} is not an origin`,
        );
      }
      return origin;
    });
  },
};

/** In a registration, see model/worker-info.ts. */
const MAX_LABEL_NAME_BYTES = 320;
/** On pulselane_worker_info, see metrics/workers/info-labels.ts. */
const OWN_LABELS = ['worker', 'version', 'host', 'group', 'instance_id', '__name__'];

/** Comma-separated names of labels that workers can have; `*` stands for any text. */
export const labelNames: Kind<readonly string[]> = {
  emptyCounts: true,
  parse(value) {
    return splitList(value).map((name) => {
      const problem = labelNameProblem(name);
      if (problem === undefined) return name;
      throw new Expected(
        `names of labels that a worker can have, such as zone,rack-*, separated by commas; ${JSON.stringify(shortText(name, 64))} ${problem}`,
      );
    });
  },
};

function labelNameProblem(name: string): string | undefined {
  const bytes = Buffer.byteLength(name);
  if (bytes > MAX_LABEL_NAME_BYTES) return `has ${bytes} bytes; at most ${MAX_LABEL_NAME_BYTES} are possible`;
  if (/\p{Cc}/u.test(name)) return 'contains a control character';
  return OWN_LABELS.includes(name) ? 'is one that the master itself gives' : undefined;
}

/** Exporters of one machine: node_exporter, one for its GPUs, and those of its services. */
const MAX_SCRAPE_URLS = 16;

/** Comma-separated URLs of exporters, each once. */
export const scrapeUrls: Kind<readonly string[]> = {
  parse(value) {
    const urls = splitList(value).map(scrapeUrl);
    const twice = urls.find((url, index) => urls.indexOf(url) !== index);
    if (twice !== undefined) throw new Expected(`each URL only once, but ${twice} occurs twice`);
    if (urls.length > MAX_SCRAPE_URLS) throw new Expected(`at most ${MAX_SCRAPE_URLS} URLs, not ${urls.length}`);
    return urls;
  },
};

function scrapeUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Expected(
      `URLs such as http://localhost:9100/metrics, separated by commas; ${JSON.stringify(shortText(text, 64))} is none`,
    );
  }
  // It would be shown in the list of processes, and in the log.
  if (url.username !== '' || url.password !== '') throw new Expected('URLs without user and password');
  return url.href;
}

/** Comma-separated host names or addresses, in lower case; IPv6 in brackets, as in a Host header. */
export const hostNames: Kind<readonly string[]> = {
  emptyCounts: true,
  parse(value) {
    return splitList(value).map((item) => {
      const name = item.toLowerCase();
      if (!/^(?:\[[0-9a-f:.]+\]|[^\s:/@]+)$/.test(name) || name.includes('*')) {
        throw new Expected('host names without port, such as pulselane.example, separated by commas');
      }
      return name;
    });
  },
};

/**
 * API tokens in the format of the tokens file, separated by line breaks, semicolons or commas. A comma that follows a
 * hash separates tokens; other commas separate scopes.
 */
export const apiTokens: Kind<readonly ApiToken[]> = {
  parse(value) {
    const text = value.replaceAll(/(sha256:[0-9a-f]{64})[ \t]*[,;]/g, '$1\n');
    try {
      return parseApiTokens(text, 'entry');
    } catch (error) {
      throw new Expected((error as Error).message.replace(/^(entry(?::\d+)?): expected /, '$1 as '));
    }
  },
};

/** Comma-separated `name=value` pairs, each name once. */
export const labels: Kind<Readonly<Record<string, string>>> = {
  emptyCounts: true,
  parse(value) {
    const names = new Set<string>();
    const pairs = splitList(value).map((item): [string, string] => {
      const at = item.indexOf('=');
      if (at < 1) throw new Expected('labels such as zone=a,disk=ssd');
      const name = item.slice(0, at);
      if (names.has(name)) throw new Expected(`each label only once, but ${JSON.stringify(name)} occurs twice`);
      names.add(name);
      return [name, item.slice(at + 1)];
    });
    return Object.fromEntries(pairs);
  },
};

/** The origin of an API. Other parts of a URL are errors, since they would be ignored. */
export const url: Kind<string> = {
  parse(value) {
    const parsed = URL.parse(value);
    if (parsed === null || !/^https?:$/.test(parsed.protocol))
      throw new Expected('a URL such as http://127.0.0.1:8080');
    const { username, password, pathname, search, hash, origin } = parsed;
    if (username !== '' || password !== '') {
      throw new Expected(`a URL without user and password, such as ${origin}; use PULSELANE_TOKEN to authenticate`);
    }
    if (pathname !== '/' || search !== '' || hash !== '') {
      throw new Expected(`a URL without a path, such as ${origin}`);
    }
    return origin;
  },
};

function splitList(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
