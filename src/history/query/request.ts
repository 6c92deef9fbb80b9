/** What a client asks for: its parameters, checked. Pure functions. */
import { messageOf } from '../../lib/errors.ts';
import { checkSteps, MAX_POINTS, type StepWish, type TimeRange } from './plan.ts';
import { QueryProblem } from './problem.ts';
import { durationOf, timeOf } from './time.ts';

/** As many as a screen has pixels side by side. */
export const DEFAULT_POINTS = 1000;
/** One step may begin before the range, so a single one may not cover it. */
export const MIN_POINTS = 2;

export interface RangeText {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface StepText {
  readonly step?: string | undefined;
  readonly points?: number | undefined;
}

/**
 * Default: the last hour. `now` includes what was received in this millisecond.
 * @throws QueryProblem with the parameter's name
 */
export function rangeOf({ from = '-1h', to = 'now' }: RangeText, nowMs: number): TimeRange {
  const fromMs = readBy(timeOf, 'from', from, nowMs);
  const toMs = readBy(timeOf, 'to', to, nowMs) + (to === 'now' ? 1 : 0);
  if (fromMs < toMs) return { fromMs, toMs };
  const end = to === 'now' ? 'now' : `${new Date(toMs).toISOString()} (to)`;
  throw new QueryProblem(
    'invalid_argument',
    `expected a time before ${end}, got ${new Date(fromMs).toISOString()}`,
    'from',
  );
}

/** @throws QueryProblem with the parameter's name */
export function stepWishOf({ step, points }: StepText, range: TimeRange): StepWish {
  if (points !== undefined && !(Number.isInteger(points) && points >= MIN_POINTS && points <= MAX_POINTS)) {
    throw new QueryProblem('invalid_argument', `expected a whole number from ${MIN_POINTS} to ${MAX_POINTS}`, 'points');
  }
  if (step === undefined) return { points: points ?? DEFAULT_POINTS };
  const stepMs = readBy(durationOf, 'step', step, 0);
  checkSteps(range, stepMs, points ?? MAX_POINTS);
  return { stepMs };
}

function readBy(read: (text: string, nowMs: number) => number, name: string, text: string, nowMs: number): number {
  try {
    return read(text, nowMs);
  } catch (error) {
    throw new QueryProblem('invalid_argument', messageOf(error), name);
  }
}
