/** Conditional requests (RFC 9110, section 13): whether a client has the answer already. */

import type { HttpContext } from '../context.ts';
import { answer } from './common-headers.ts';

/** A weak tag: what it stands for means the same, though its bytes may differ. `text` has no quotation mark. */
export function weakTag(text: string): string {
  return `W/"${text}"`;
}

/** Headers of an answer that may be asked for conditionally: kept by clients and proxies, and asked about each time. */
export function conditionalHeaders(etag: string): Record<string, string> {
  return { ETag: etag, 'Cache-Control': 'no-cache' };
}

/**
 * The answer to a client that has it already: 304 without a body; undefined if it has not.
 * @param headers that the whole answer would have, beside the tag's
 */
export function notModified(c: HttpContext, etag: string, headers: Record<string, string> = {}): Response | undefined {
  const known = c.req.header('if-none-match');
  if (known === undefined || !matchesTag(known, etag)) return undefined;
  return answer(c, 304, null, { ...conditionalHeaders(etag), ...headers });
}

const TAG = /(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/y;
const BETWEEN = /[ \t]*(?:,[ \t]*)*/y;

/** Compares weakly a tag with an If-None-Match: a list of tags, or `*`. What is no list of tags matches nothing. */
export function matchesTag(ifNoneMatch: string, etag: string): boolean {
  if (ifNoneMatch.trim() === '*') return true;
  const opaque = etag.replace(/^W\//, '').slice(1, -1);
  let at = 0;
  let isFound = false;
  while (at < ifNoneMatch.length) {
    at = endOf(BETWEEN, ifNoneMatch, at) ?? at;
    if (at === ifNoneMatch.length) break;
    TAG.lastIndex = at;
    const tag = TAG.exec(ifNoneMatch);
    if (tag === null) return false;
    isFound ||= tag[1] === opaque;
    at = TAG.lastIndex;
  }
  return isFound;
}

function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
