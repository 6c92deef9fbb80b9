/**
 * Posts to one URL, and says what the answer means.
 *
 * | answer                           | then                                             |
 * |----------------------------------|--------------------------------------------------|
 * | 2xx                              | sent                                             |
 * | 408, 425, 429, 5xx, no answer    | again, not before what `Retry-After` says        |
 * | 3xx                              | refused: redirects are not followed              |
 * | others                           | refused                                          |
 */
import { shownUrl } from '../../../config/receiver-kinds.ts';
import type { Clock } from '../../../lib/clock.ts';
import { type Answer, answerText, HttpPost, headerText, type NoAnswer } from '../../../lib/http-post.ts';
import { retryAfterMs } from '../../../lib/retry-after.ts';
import { masked, partsOfCredentials, shownText, valuesInQuery } from '../../../lib/secret-text.ts';
import { VERSION } from '../../../lib/version.ts';
import type { HttpSettings } from '../../rules/receivers/fields.ts';
import { UNDER_WAY_PER_TARGET } from '../delivery-limits.ts';
import type { SendOutcome } from '../notification.ts';
import { plainCause } from './plain-cause.ts';
import { ANSWER_WITHIN_MS, MAX_RETRY_AFTER_MS } from './receiver-limits.ts';

export interface HttpReceiverOptions extends HttpSettings {
  readonly url: string;
  readonly clock: Clock;
  /** Whoever knows the path may post: only the host is shown. */
  readonly isPathSecret?: boolean;
  /** Further texts that no message may contain. */
  readonly secrets?: readonly string[];
}

const AGAIN: ReadonlySet<number> = new Set([408, 425, 429]);
/** Parts of a path that are shorter are words such as `hooks`. */
const LEAST_SECRET_PART = 8;

export class HttpReceiver {
  /** What of its URL may be shown. */
  readonly place: string;
  readonly #post: HttpPost;
  readonly #host: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #secrets: readonly string[];
  readonly #clock: Clock;

  constructor({
    url,
    user,
    password,
    token,
    headers = {},
    ca,
    clock,
    isPathSecret = false,
    secrets = [],
  }: HttpReceiverOptions) {
    const { host, hostname, protocol } = new URL(url);
    this.place = isPathSecret ? `${protocol}//${host}` : shownUrl(url);
    this.#host = hostname;
    this.#clock = clock;
    this.#post = new HttpPost({ url, ca, clock, withinMs: ANSWER_WITHIN_MS, atATime: UNDER_WAY_PER_TARGET });
    const authorization = authorizationOf(user, password, token);
    this.#headers = {
      'Content-Type': 'application/json',
      'User-Agent': `pulselane/${VERSION}`,
      ...headers,
      ...(authorization === undefined ? {} : { Authorization: authorization }),
    };
    const credentials = [...Object.values(headers), ...(authorization === undefined ? [] : [authorization])];
    const all = [...credentials.flatMap(partsOfCredentials), ...secretsInUrl(url, isPathSecret), ...secrets];
    this.#secrets = [...new Set(all.filter((text) => text !== ''))].sort((a, b) => b.length - a.length);
  }

  /** Never rejects. @param headers in addition */
  async post(body: string, signal: AbortSignal, headers: Readonly<Record<string, string>> = {}): Promise<SendOutcome> {
    const answer = await this.#post.post({ ...this.#headers, ...headers }, Buffer.from(body), signal);
    if (answer.type === 'none') return { outcome: 'retry', detail: this.#detail(this.#noAnswerText(answer)) };
    return this.#outcomeOf(answer);
  }

  close(): void {
    this.#post.close();
  }

  #outcomeOf(answer: Answer): SendOutcome {
    const { status } = answer;
    if (status >= 200 && status < 300) return { outcome: 'sent' };
    if (status < 400) return { outcome: 'refused', detail: this.#detail(`${this.#redirectText(answer)}`) };
    const detail = this.#detail(answerText(answer, this.#secrets));
    if (status < 500 && !AGAIN.has(status)) return { outcome: 'refused', detail };
    const afterMs = this.#waitOf(answer);
    return afterMs === undefined ? { outcome: 'retry', detail } : { outcome: 'retry', detail, afterMs };
  }

  #redirectText(answer: Answer): string {
    const to = headerText(answer, 'location');
    const url = to === undefined ? null : URL.parse(to);
    const shown = url === null ? '' : ` to ${shownText(`${url.protocol}//${url.host}`, this.#secrets)}`;
    return `HTTP ${answer.status}, a redirect${shown}: redirects are not followed; write the URL that it leads to`;
  }

  /** Discord has fractions of seconds in its JSON, and others the whole seconds of HTTP. */
  #waitOf(answer: Answer): number | undefined {
    const waitMs =
      retryAfterMs(headerText(answer, 'retry-after'), this.#clock.wallMs()) ?? retryAfterInJson(answer.body);
    return waitMs === undefined ? undefined : Math.min(waitMs, MAX_RETRY_AFTER_MS);
  }

  #noAnswerText({ code, detail, error }: NoAnswer): string {
    return masked(code === 'timeout' ? detail : plainCause(error, this.#host), this.#secrets);
  }

  #detail(text: string): string {
    return `${this.place}: ${text}`;
  }
}

function authorizationOf(user?: string, password?: string, token?: string): string | undefined {
  if (token !== undefined) return `Bearer ${token}`;
  return user === undefined ? undefined : `Basic ${Buffer.from(`${user}:${password ?? ''}`).toString('base64')}`;
}

function secretsInUrl(text: string, isPathSecret: boolean): string[] {
  const { username, password, search, pathname } = new URL(text);
  const found = valuesInQuery(search);
  if (password !== '') {
    found.push(password, decodeURIComponent(password));
    const plain = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    found.push(...partsOfCredentials(`Basic ${Buffer.from(plain).toString('base64')}`));
  }
  if (!isPathSecret) return found;
  return [...found, pathname, ...pathname.split('/').filter((part) => part.length >= LEAST_SECRET_PART)].filter(
    (part) => part !== '/',
  );
}

function retryAfterInJson(body: Buffer): number | undefined {
  const seconds = /"retry_after"\s*:\s*(\d{1,6}(?:\.\d{1,6})?)\b/.exec(body.toString())?.[1];
  return seconds === undefined ? undefined : Math.ceil(Number(seconds) * 1000);
}
