/**
 * Logs tokens that expire soon, and tokens that have expired, each once. It checks the wall clock, which may be set, every
 * second: usually one comparison.
 *
 * | stage    | from                                | is logged                                             |
 * |----------|-------------------------------------|-------------------------------------------------------|
 * | valid    | the start                           | no                                                    |
 * | expiring | `EXPIRY_WARNING_MS` before the end  | unless another token of the subject is valid longer   |
 * | expired  | the end                             | always; streams opened with it end                    |
 */
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logging.ts';
import { instantText } from '../lib/token-expiry.ts';
import type { ApiToken } from '../lib/tokens.ts';
import type { WorkerToken } from '../model/identity.ts';

/** A week: early enough for anyone who reads logs on working days, and not repeated for months. */
export const EXPIRY_WARNING_MS = 7 * 24 * 3_600_000;
/** The longest that a stream may outlive its token; calls and requests are checked when they arrive. */
export const EXPIRY_LOOK_EVERY_MS = 1000;
/** Tokens of a fleet that were created together are logged in one line. */
const MAX_NAMES_TOLD = 5;

export interface WatchedToken {
  /** For people. */
  readonly name: string;
  readonly hash: string;
  /** Equal for tokens of the same subject: one may replace another. */
  readonly subject: string;
  /** Undefined: never. */
  readonly expiresUnixMs: number | undefined;
}

type ExpiryStage = 'valid' | 'expiring' | 'expired';

function expiryStage(expiresUnixMs: number, nowUnixMs: number): ExpiryStage {
  if (nowUnixMs >= expiresUnixMs) return 'expired';
  return nowUnixMs >= expiresUnixMs - EXPIRY_WARNING_MS ? 'expiring' : 'valid';
}

export interface ExpiryWatchOptions {
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
  /** Tokens have expired since the last check: streams may have to end. */
  readonly onExpired: () => void;
}

export class ExpiryWatch {
  readonly #options: ExpiryWatchOptions;
  readonly #sets = new Map<string, readonly WatchedToken[]>();
  #told = new Map<string, ExpiryStage>();
  #lastUnixMs = 0;
  /** When a token next changes its stage. */
  #nextUnixMs = Number.POSITIVE_INFINITY;

  constructor(options: ExpiryWatchOptions) {
    this.#options = options;
  }

  /** @returns a function that stops it */
  start(): () => void {
    const timer = this.#options.clock.every(EXPIRY_LOOK_EVERY_MS, () => this.#look());
    return () => timer.cancel();
  }

  /** Sets the tokens of one kind, and logs at once what is due. */
  set(kind: string, tokens: readonly WatchedToken[]): void {
    this.#sets.set(kind, tokens);
    this.#review();
  }

  #look(): void {
    const nowUnixMs = this.#options.clock.wallMs();
    // After the clock was set back, an expired token is valid again, and expires again.
    if (nowUnixMs >= this.#nextUnixMs || nowUnixMs < this.#lastUnixMs) this.#review();
    this.#lastUnixMs = nowUnixMs;
  }

  #review(): void {
    const { clock, onExpired } = this.#options;
    const nowUnixMs = clock.wallMs();
    const tokens = [...this.#sets.values()].flat();
    const lastOf = lastExpiries(tokens);
    const told = new Map<string, ExpiryStage>();
    const news: Record<ExpiryStage, Expiring[]> = { valid: [], expiring: [], expired: [] };
    this.#nextUnixMs = Number.POSITIVE_INFINITY;
    for (const { name, hash, subject, expiresUnixMs } of tokens) {
      if (expiresUnixMs === undefined) continue;
      const stage = expiryStage(expiresUnixMs, nowUnixMs);
      for (const atUnixMs of [expiresUnixMs - EXPIRY_WARNING_MS, expiresUnixMs]) {
        if (atUnixMs > nowUnixMs) this.#nextUnixMs = Math.min(this.#nextUnixMs, atUnixMs);
      }
      told.set(hash, stage);
      if (this.#told.get(hash) === stage) continue;
      const isReplaced = (lastOf.get(subject) as number) > expiresUnixMs;
      if (stage === 'expired' || !isReplaced) news[stage].push({ name, expiresUnixMs });
    }
    this.#told = told;
    this.#tell('expiring', news.expiring);
    this.#tell('expired', news.expired);
    if (news.expired.length > 0) onExpired();
  }

  #tell(stage: 'expiring' | 'expired', tokens: readonly Expiring[]): void {
    if (tokens.length === 0) return;
    const shown = tokens.slice(0, MAX_NAMES_TOLD).map(({ name, expiresUnixMs }) => {
      return `${name} (${instantText(expiresUnixMs)})`;
    });
    const more = tokens.length - shown.length;
    const names = shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
    this.#options.logger.warn(
      stage === 'expiring'
        ? `tokens expire within ${EXPIRY_WARNING_MS / 86_400_000} days: ${names}; "pulselane token rotate" makes new ones`
        : `tokens have expired: ${names}`,
    );
  }
}

interface Expiring {
  readonly name: string;
  readonly expiresUnixMs: number;
}

/** When the last token of each subject expires. */
function lastExpiries(tokens: readonly WatchedToken[]): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  for (const { subject, expiresUnixMs = Number.POSITIVE_INFINITY } of tokens) {
    last.set(subject, Math.max(expiresUnixMs, last.get(subject) ?? 0));
  }
  return last;
}

export function watchedWorkerTokens(tokens: readonly WorkerToken[]): WatchedToken[] {
  return tokens.map(({ name, hash, subjects, expiresUnixMs }) => {
    const subject = subjects.map(({ kind, id }) => `${kind}:${encodeURIComponent(id)}`).sort();
    return { name, hash, subject: subject.join(' '), expiresUnixMs };
  });
}

export function watchedApiTokens(tokens: readonly ApiToken[]): WatchedToken[] {
  return tokens.map(({ name, hash, expiresUnixMs }) => {
    return { name: `the API token ${name}`, hash, subject: `api:${name}`, expiresUnixMs };
  });
}
