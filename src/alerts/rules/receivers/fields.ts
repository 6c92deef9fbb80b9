/** Fields that several kinds of receivers have. Messages complete "expected …" and never repeat what may be secret. */
import { z } from 'zod';
import { Expected, type Kind } from '../../../config/kinds.ts';
import { bearerToken, receiverUrl } from '../../../config/receiver-kinds.ts';
import { firstCertificate } from '../../../lib/tls-files.ts';

/** Longer texts are no addresses, names or tokens. */
const MAX_TEXT = 2048;
/** Of a file with certificates: those of all public authorities take 250 KB. */
const MAX_CERTIFICATES = 1_048_576;
/** Several Alertmanagers of one cluster, several people of one team. */
const MAX_LIST = 50;
const MAX_HEADERS = 50;

/** One line of text without control characters. @param expected as in "expected a channel such as #ops" */
export function line(expected: string, maxLength = MAX_TEXT) {
  const error = `expected ${expected}`;
  return z
    .string({ error })
    .min(1, { error })
    .max(maxLength, { error: `${error}, of at most ${maxLength} characters` })
    .regex(/^[^\p{Cc}\p{Zl}\p{Zp}\p{Surrogate}]*$/u, { error: `${error}, in one line without control characters` });
}

/** A text that a parser of settings takes. */
function parsed<T>(kind: Kind<T>, expected: string) {
  return line(expected).transform((text, context) => {
    try {
      return kind.parse(text);
    } catch (error) {
      if (!(error instanceof Expected)) throw error;
      context.addIssue({ code: 'custom', message: `expected ${error.message}` });
      return z.NEVER;
    }
  });
}

export function url(example: string) {
  return parsed(receiverUrl(example), `a URL such as ${example}`);
}

export function list<T extends z.ZodType>(item: T, expected: string) {
  return z
    .array(item, { error: `expected a list of ${expected}` })
    .min(1, { error: `expected at least one of the ${expected}` })
    .max(MAX_LIST, { error: `expected at most ${MAX_LIST} ${expected}` });
}

/** From a file: one entry a line. */
export function linesOf(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value
    .split(/\r?\n/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HEADERS = 'headers such as { X-Api-Key: abc }, or a line such as "X-Api-Key: abc" for each in headers_file';
/** What the sender itself sets. */
const RESERVED_HEADERS: readonly string[] = [
  ...['connection', 'content-encoding', 'content-length', 'content-type', 'expect', 'host', 'keep-alive', 'te'],
  ...['trailer', 'transfer-encoding', 'upgrade', 'user-agent', 'x-pulselane-signature-256', 'x-pulselane-timestamp'],
];

/** `Name: value` lines, from a file, as a map. */
function headersOf(value: unknown): unknown {
  const lines = linesOf(value);
  if (!Array.isArray(lines) || typeof value !== 'string') return value;
  return Object.fromEntries(
    lines.map((text: string) => {
      const at = text.indexOf(':');
      return [text.slice(0, Math.max(0, at)).trim(), text.slice(at + 1).trim()];
    }),
  );
}

const headers = z.preprocess(
  headersOf,
  z
    .record(z.string(), z.string({ error: 'expected the value of a header as text' }).max(MAX_TEXT), {
      error: `expected ${HEADERS}`,
    })
    .superRefine((all, context) => {
      const issue = (message: string) => context.addIssue({ code: 'custom', message });
      const names = Object.keys(all);
      if (names.length > MAX_HEADERS) issue(`expected at most ${MAX_HEADERS} headers`);
      if (new Set(names.map((name) => name.toLowerCase())).size < names.length) issue('expected each header only once');
      for (const [name, value] of Object.entries(all)) {
        // The name may be a part of a secret if the line has no colon, so it is not repeated.
        if (!HEADER_NAME.test(name)) issue(`expected ${HEADERS}`);
        else if (RESERVED_HEADERS.includes(name.toLowerCase())) {
          issue(`expected headers other than ${name}, which Pulselane itself sets`);
        } else if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
          issue(`expected a value of ${name} without control characters`);
        }
      }
    }),
);

const ca = z
  .string({ error: 'expected certificates in PEM' })
  .max(MAX_CERTIFICATES, { error: `expected at most ${MAX_CERTIFICATES} characters of certificates` })
  .superRefine((pem, context) => {
    try {
      firstCertificate('', pem);
    } catch {
      const message = 'expected one or more whole certificates in PEM ("-----BEGIN CERTIFICATE-----")';
      context.addIssue({ code: 'custom', message });
    }
  });

/** How a receiver that is reached by HTTP is authenticated, and how it authenticates Pulselane. */
export const httpFields = {
  user: line('a user name').optional(),
  password: line('a password').optional(),
  token: parsed(bearerToken, 'a token').optional(),
  headers: headers.optional(),
  ca: ca.optional(),
};

export const HTTP_FILES = ['password', 'token', 'headers', 'ca'] as const;

export interface HttpSettings {
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** CA certificates in PEM; undefined: those built into Node. */
  readonly ca?: string | undefined;
}

/** What no single field can say. */
export function checkHttp(settings: HttpSettings, context: z.RefinementCtx): void {
  const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
  const { user, password, token, headers: own = {} } = settings;
  if (token !== undefined && user !== undefined) issue('user', 'expected either token, or user and password, not both');
  if (password !== undefined && user === undefined) issue('password', 'expected user beside password');
  if (user !== undefined && password === undefined) issue('user', 'expected password or password_file beside user');
  if (user?.includes(':') === true) issue('user', 'expected a user name without ":"');
  const isAuthorized = Object.keys(own).some((name) => name.toLowerCase() === 'authorization');
  if (isAuthorized && (token ?? user) !== undefined) {
    issue('headers', 'expected either the header Authorization, or token, or user and password');
  }
}

export { ca as certificates };
