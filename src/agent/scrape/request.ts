/** Asks an exporter once. Its answer is read piece by piece and not kept. */
import { type ClientRequest, get as getHttp, type IncomingMessage } from 'node:http';
import type { Clock } from '../../lib/clock.ts';
import { VERSION } from '../../lib/version.ts';
import { MAX_BODY_BYTES } from './scrape-limits.ts';

export interface ScrapeRequest {
  readonly url: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly take: (chunk: Buffer) => void;
  readonly signal: AbortSignal;
}

/**
 * Resolves after the whole answer has been taken.
 * @throws Error with what was wrong; what `take` throws ends the request
 */
export async function scrapeOnce({ url, clock, timeoutMs, take, signal }: ScrapeRequest): Promise<void> {
  const get = url.startsWith('https:') ? (await import('node:https')).get : getHttp;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const request: ClientRequest = get(url, {
    // One connection per request: an exporter that is restarted, or a pool of idle sockets, is nothing to keep in mind.
    agent: false,
    signal,
    headers: {
      accept: 'text/plain;version=0.0.4;q=0.9,*/*;q=0.1',
      'accept-encoding': 'identity',
      'user-agent': `pulselane/${VERSION}`,
      'x-prometheus-scrape-timeout-seconds': String(timeoutMs / 1000),
    },
  });
  const fail = (error: Error) => {
    reject(error);
    request.destroy();
  };
  const timer = clock.after(timeoutMs, () => fail(new Error(`it did not answer within ${timeoutMs / 1000} s`)));
  request.on('error', reject);
  request.on('response', (response) => {
    const problem = problemOf(response);
    if (problem !== undefined) return fail(new Error(problem));
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) return fail(new Error(`its answer has more than ${MAX_BODY_BYTES} bytes`));
      try {
        take(chunk);
      } catch (error) {
        fail(error as Error);
      }
    });
    response.on('error', reject);
    response.on('end', resolve);
    // A connection that was lost within the answer.
    response.on('aborted', () => reject(new Error('its connection was lost within the answer')));
  });
  try {
    await promise;
  } finally {
    timer.cancel();
  }
}

function problemOf({ statusCode = 0, headers }: IncomingMessage): string | undefined {
  if (statusCode >= 300 && statusCode < 400) {
    return `it answers ${statusCode} and leads to ${JSON.stringify(headers.location ?? '')}; name that address itself`;
  }
  if (statusCode !== 200) return `it answers ${statusCode}; expected 200`;
  const encoding = headers['content-encoding'] ?? 'identity';
  return encoding === 'identity' ? undefined : `it answers in the encoding "${encoding}", which was not asked for`;
}
