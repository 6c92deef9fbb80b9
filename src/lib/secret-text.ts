/** Keeps secrets of requests out of texts that people see: what a receiver, or an error, may repeat. */
import { printable } from './printable.ts';

/** Parameters of a URL and user names that are shorter are no secrets, and occur in any text. */
const LEAST_LENGTH = 4;

const MASK = '********';

/** Of foreign text in messages of ours. */
const MAX_SHOWN_TEXT = 200;

export function masked(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, MASK), text);
}

/** Foreign text as a part of a message of ours: one short line without secrets. */
export function shownText(text: string, secrets: readonly string[]): string {
  const line = masked(text, secrets).trim().replaceAll(/\s+/g, ' ');
  return printable(line.length > MAX_SHOWN_TEXT ? `${line.slice(0, MAX_SHOWN_TEXT)}…` : line);
}

/** Of a header's value: with the scheme, as in `Bearer abc`, and without it; of `Basic`, also user and password in plain. */
export function partsOfCredentials(value: string): string[] {
  const afterScheme = /^(?:basic|bearer) +(.*)$/i.exec(value)?.[1];
  if (afterScheme === undefined) return [value];
  if (!/^basic /i.test(value)) return [value, afterScheme];
  const plain = Buffer.from(afterScheme, 'base64').toString();
  const at = plain.indexOf(':');
  const user = plain.slice(0, Math.max(0, at));
  return [value, afterScheme, plain, plain.slice(at + 1), ...(user.length < LEAST_LENGTH ? [] : [user])];
}

/** As they are written and as they are meant. */
export function valuesInQuery(search: string): string[] {
  const raw = search
    .slice(1)
    .split('&')
    .map((pair) => pair.slice(pair.indexOf('=') + 1));
  const params = [...new URLSearchParams(search)];
  // Without "=" the name is all there is.
  const meant = params.map(([name, value]) => (value === '' ? name : value));
  return [...raw, ...meant].filter((value) => value.length >= LEAST_LENGTH);
}
