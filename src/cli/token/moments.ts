/** `--expires` and `--keep-old`: parses when a token ends, and how long an old one stays valid. */
import { durationMs } from '../../config/kinds.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { instantIn } from '../../lib/token-expiry.ts';

const DAY_MS = 24 * 3_600_000;
/** Ten years. A later end is most likely a typing error in the year; a token without an end is `never`. */
const MAX_TOKEN_LIFE_MS = 3650 * DAY_MS;
/** Time to hand the new token to everyone who uses the old one. Longer, the worker or user would have two lasting tokens. */
const MAX_KEEP_OLD_MS = 90 * DAY_MS;

const FORMS = '30d, 12h, a date such as 2026-12-24 (its first moment in UTC), 2026-12-24T18:00Z, or never';

/**
 * @returns milliseconds since the Unix epoch, in whole seconds as files hold them; undefined for `never`
 * @throws PulselaneError `invalid_argument`
 */
export function expiryIn(text: string, nowUnixMs: number): number | undefined {
  if (text === 'never') return undefined;
  const given = `--expires ${JSON.stringify(text)}`;
  const atUnixMs = instantIn(text) ?? afterNow(text, nowUnixMs);
  if (atUnixMs === undefined) throw invalid(`${given}: expected ${FORMS}`);
  if (atUnixMs <= nowUnixMs) throw invalid(`${given}: expected a time in the future`);
  if (atUnixMs > nowUnixMs + MAX_TOKEN_LIFE_MS) {
    throw invalid(`${given}: expected at most ${MAX_TOKEN_LIFE_MS / DAY_MS} days from now, or never`);
  }
  return atUnixMs;
}

/** @throws PulselaneError `invalid_argument` */
export function keepOldMs(text: string): number {
  const keepMs = parsedDuration(text);
  if (keepMs === undefined || keepMs > MAX_KEEP_OLD_MS) {
    const most = `${MAX_KEEP_OLD_MS / DAY_MS}d`;
    throw invalid(`--keep-old ${JSON.stringify(text)}: expected a duration such as 1h or 2d, at most ${most}, or 0`);
  }
  return keepMs;
}

function afterNow(text: string, nowUnixMs: number): number | undefined {
  const lifeMs = parsedDuration(text);
  // Rounded up: "1s" is to be a second, and not none.
  return lifeMs === undefined ? undefined : Math.ceil((nowUnixMs + lifeMs) / 1000) * 1000;
}

function parsedDuration(text: string): number | undefined {
  try {
    return durationMs({ maxMs: Number.MAX_SAFE_INTEGER / 4 }).parse(text);
  } catch {
    return undefined;
  }
}

function invalid(message: string): PulselaneError {
  return new PulselaneError('invalid_argument', message);
}
