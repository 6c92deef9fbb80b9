/** Parsers for the settings of OTLP export. Errors never contain what may be secret. */
import { Expected, type Kind, labels } from './kinds.ts';
import { receiverUrl, requestHeaders } from './receiver-kinds.ts';

const EXAMPLE = 'http://collector:4318';

/** The part of a URL that all signals have in common. */
export const otlpEndpoint: Kind<string> = {
  parse(text) {
    receiverUrl(EXAMPLE).parse(text);
    const { username, password, pathname } = new URL(text);
    if (username !== '' || password !== '') {
      throw new Expected(`a URL without user and password, such as ${EXAMPLE}; use OTLP_TOKEN or OTLP_HEADERS`);
    }
    if (/\/v1\/(metrics|logs|traces)\/?$/.test(pathname)) {
      throw new Expected(`a URL such as ${EXAMPLE}, to which /v1/metrics and /v1/logs are appended`);
    }
    return text;
  },
};

/** As {@link requestHeaders}; also what gRPC, too, can carry. */
export const otlpHeaders: Kind<Readonly<Record<string, string>>> = {
  parse(text) {
    const headers = requestHeaders.parse(text);
    for (const [name, value] of Object.entries(headers)) {
      if (/^grpc-|-bin$/i.test(name)) throw new Expected(`headers other than ${name}, which gRPC reserves`);
      if (!/^[\w.-]+$/.test(name)) {
        throw new Expected(`names of letters, digits, "_", "-" and ".", which gRPC, too, can carry; ${name} is none`);
      }
      if (!/^[\x20-\x7e]*$/.test(value)) throw new Expected(`a value of ${name} of ASCII characters`);
    }
    return headers;
  },
};

export const OTLP_SIGNALS = ['metrics', 'logs'] as const;
export type OtlpSignal = (typeof OTLP_SIGNALS)[number];

/** Comma-separated signals, at least one. */
export const otlpSignals: Kind<readonly OtlpSignal[]> = {
  parse(text) {
    const named = text.split(',').map((item) => item.trim());
    const wanted = OTLP_SIGNALS.filter((signal) => named.includes(signal));
    const other = named.find((item) => !(OTLP_SIGNALS as readonly string[]).includes(item));
    if (other !== undefined || wanted.length === 0) throw new Expected('metrics, logs, or metrics,logs');
    return wanted;
  },
};

/** What tells workers apart: one value for all would make one series of theirs. */
const OF_EACH_WORKER = ['service.instance.id', 'host.name', 'host.id', 'host.ip'];

/** Comma-separated `key=value` pairs for all resources. */
export const resourceAttributes: Kind<Readonly<Record<string, string>>> = {
  emptyCounts: true,
  parse(text) {
    const all = labels.parse(text);
    const wrong = Object.keys(all).find((key) => OF_EACH_WORKER.includes(key));
    if (wrong !== undefined) throw new Expected(`attributes other than ${wrong}, which tells workers apart`);
    return all;
  },
};
