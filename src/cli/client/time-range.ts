/** `--last`, `--from` and `--to`: the range of time that a command asks history for. */
import type { Command } from 'commander';
import { DURATION_FORMS, timeOf } from '../../history/query/time.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';

export interface RangeFlags {
  readonly last?: string;
  readonly from?: string;
  readonly to?: string;
}

/** As the parameters of the API. */
export interface RangeParameters {
  readonly from?: string;
  readonly to?: string;
}

export function addRangeOptions(command: Command, defaultLast: string): Command {
  return command
    .option('--last <duration>', `the time until now: 30m, 1h, 7d (default: ${defaultLast})`)
    .option('--from <time>', 'from then on: 2026-11-23T17:54:55Z, Unix seconds, or -2h: two hours ago')
    .option('--to <time>', 'until before then, in the same forms (default: now)');
}

/**
 * @param defaultLast undefined: without flags, no range at all
 * @throws PulselaneError `invalid_argument`, naming the flag
 */
export function rangeOfFlags(
  { last, from, to }: RangeFlags,
  { nowMs, defaultLast }: { readonly nowMs: number; readonly defaultLast: string | undefined },
): RangeParameters {
  if (last !== undefined && from !== undefined) throw invalid('--last and --from: give one of them');
  if (last !== undefined && to !== undefined) throw invalid('--last ends now: with --to, give --from');
  const begins = last ?? defaultLast;
  if (last !== undefined && !isAgo(last, nowMs)) throw invalid(`--last ${last || '""'}: expected ${DURATION_FORMS}`);
  const start = from ?? (begins === undefined ? undefined : `-${begins}`);
  const fromMs = start === undefined ? undefined : checked('--from', start, () => timeOf(start, nowMs));
  const toMs = to === undefined ? nowMs : checked('--to', to, () => timeOf(to, nowMs));
  if (fromMs !== undefined && fromMs > toMs) {
    throw invalid(`--from ${start}: expected a time before ${to === undefined ? 'now' : `--to ${to}`}`);
  }
  return { ...(start === undefined ? {} : { from: start }), ...(to === undefined ? {} : { to }) };
}

/** With a unit: a time ago has one. */
function isAgo(duration: string, nowMs: number): boolean {
  try {
    timeOf(`-${duration}`, nowMs);
    return true;
  } catch {
    return false;
  }
}

function checked<T>(flag: string, text: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw invalid(`${flag} ${text || '""'}: ${messageOf(error).replace(/, got .*/, '')}`);
  }
}

function invalid(message: string): PulselaneError {
  return new PulselaneError('invalid_argument', message);
}
