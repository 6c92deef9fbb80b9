/** Restores workers from an earlier master, and collects the values that the next master needs. */
import { PulselaneError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logging.ts';
import type { BoardReader } from '../../store/board.ts';
import type { Liveness } from '../liveness/liveness.ts';
import type { Admission } from '../workers/admission.ts';
import type { RosterEntry } from '../workers/roster.ts';
import type { WorkerLifecycle } from '../workers/worker-lifecycle.ts';
import type { Member, Members } from './members.ts';
import type { SavedValues } from './values-file.ts';

export interface RestoreParts {
  readonly members: Members;
  readonly admission: Admission;
  readonly lifecycle: WorkerLifecycle;
  readonly liveness: Liveness;
  readonly logger: Logger;
}

/** Restores members, and the workers in the fleet with their last values; the master then waits for these workers. */
export function restoreWorkers(
  kept: readonly Member[],
  values: ReadonlyMap<string, SavedValues>,
  { members, admission, lifecycle, liveness, logger }: RestoreParts,
): void {
  members.restore(kept);
  const graceUntilMs = liveness.graceUntilMs();
  let waitedFor = 0;
  let left = 0;
  for (const { workerId, known, address, instanceIds, info, activity } of kept) {
    // Known but never approved: admission was open when it reported.
    if (!members.admits(workerId)) {
      members.expire(workerId);
      continue;
    }
    if (!known && address === undefined) continue;
    try {
      const earlier = known ? { graceUntilMs, values: values.get(workerId), activity } : undefined;
      const entry = admission.letIn(workerId, earlier);
      entry.liveness.instances = instanceIds;
      if (info !== undefined) {
        lifecycle.describe(entry, info);
        liveness.describe(entry, info);
      }
      if (known) waitedFor++;
    } catch (error) {
      if (!(error instanceof PulselaneError)) throw error;
      // There was no room; workers that report are admitted while there is.
      left++;
    }
  }
  if (left > 0) logger.warn({ left }, 'some known workers were not restored: MAX_WORKERS is too small');
  liveness.begin();
  if (waitedFor > 0) liveness.grace(waitedFor, graceUntilMs);
}

/** The last values of a worker; undefined if there are none. */
export function savedValuesOf(
  { workerId, row, slot }: RosterEntry,
  board: BoardReader,
  nowMs: number,
): SavedValues | undefined {
  if (slot.numbers() === undefined) return undefined;
  const { ageMs: silentMs, isActive, intervalMs, lastUpdateS, registeredS } = board.view(row, nowMs);
  return { workerId, silentMs, isActive, intervalMs, lastUpdateS, registeredS, json: slot.json('') };
}
