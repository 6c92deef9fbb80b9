/**
 * How much time all rings of samples may hold within their budget (RING_MEMORY): pure functions. All workers share one span, so
 * that each keeps the same time, whatever its pace and however many metrics it has.
 *
 * The span takes steps: {@link STEP} of the one before, down to {@link LEAST_SPAN_MS}. For every step it is known what the rings will
 * take once they have settled. If that exceeds the budget, the span is shortened to the first step that fits. It is lengthened
 * one step at a time, when that takes at most {@link RECOVER_AT} of the budget. So it does not oscillate: after either change,
 * the other one does not apply to the same fleet.
 */
import { ringBytes } from '../../store/layout.ts';
import { settledRing } from '../../store/slot-ring.ts';

const STEP = 3 / 4;
const RECOVER_AT = 7 / 8;
/** Twenty times the interval at which the history thread drains. Below, rings would be of no use. */
export const LEAST_SPAN_MS = 10_000;

/** What the ring of one worker depends on. */
export interface RingOfWorker {
  readonly ringCapacity: number;
  readonly metricColumns: number;
  /** Columns that its metrics need. */
  readonly columnsWanted: number;
  /** Its task log, which stays as it is. */
  readonly taskLogCapacity?: number;
  readonly isScored?: boolean;
  /** Mean time between two samples; undefined: the worker sends none now, and its ring stays as it is. */
  readonly periodMs: number | undefined;
}

/** The spans, longest first. */
export function spanSteps(wantedMs: number): readonly number[] {
  const steps = [wantedMs];
  for (let spanMs = wantedMs * STEP; spanMs > LEAST_SPAN_MS; spanMs *= STEP) steps.push(Math.round(spanMs));
  if (wantedMs > LEAST_SPAN_MS) steps.push(LEAST_SPAN_MS);
  return steps;
}

/** Adds to each step's demand, in bytes, what the worker's ring will take then. */
export function addDemand(demand: Float64Array, steps: readonly number[], ring: RingOfWorker): void {
  const { ringCapacity, taskLogCapacity = 0, isScored = false, periodMs } = ring;
  const metricColumns = Math.max(ring.metricColumns, ring.columnsWanted);
  for (let step = 0; step < steps.length; step++) {
    const capacity =
      periodMs === undefined ? ringCapacity : settledRing(ringCapacity, periodMs, steps[step] as number, step > 0);
    const settled = { ringCapacity: capacity, metricColumns, taskLogCapacity, isScored };
    demand[step] = (demand[step] as number) + ringBytes(settled);
  }
}

/** The step from now on. @param demand what all rings will take, by step */
export function stepAfter(step: number, demand: Float64Array, budgetBytes: number): number {
  const last = demand.length - 1;
  if ((demand[step] as number) > budgetBytes) {
    let shorter = step;
    while (shorter < last && (demand[shorter] as number) > budgetBytes) shorter++;
    return shorter;
  }
  return step > 0 && (demand[step - 1] as number) <= RECOVER_AT * budgetBytes ? step - 1 : step;
}
