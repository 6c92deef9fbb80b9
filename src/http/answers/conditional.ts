/** Conditional requests (RFC 9110, section 13): whether the client already has the current answer. */

import type { HttpContext } from '../context.ts';
import { answer } from './common-headers.ts';

/** A weak tag: equal tags mean the same content, though bytes may differ. @param text without quotation marks */
export function weakTag(text: string): string {
  return `W/"${text}"`;
}

/** Headers of an answer with a tag: clients and proxies may store it, but must revalidate it. */
export function conditionalHeaders(etag: string): Record<string, string> {
  return { ETag: etag, 'Cache-Control': 'no-cache' };
}

/**
 * 304 without a body if the client already has the answer, otherwise undefined.
 * @param headers of the full answer, besides the tag
 */
export function notModified(c: HttpContext, etag: string, headers: Record<string, string> = {}): Response | undefined {
  const known = c.req.header('if-none-match');
  if (known === undefined || !matchesTag(known, etag)) return undefined;
  return answer(c, 304, null, { ...conditionalHeaders(etag), ...headers });
}

const TAG = /(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/y;
const BETWEEN = /[ \t]*(?:,[ \t]*)*/y;

/** Compares a tag weakly with If-None-Match: a list of tags, or `*`. A malformed list matches nothing. */
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
