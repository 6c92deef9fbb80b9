/** What does not answer in a master whose main thread runs: a pure function of what main knows of its threads. */
import type { LaneState } from '../model/lanes.ts';

export interface VitalSigns {
  /** HTTP is on, and its thread listens and answers; undefined: HTTP is off. */
  readonly httpAnswers: boolean | undefined;
  readonly lanes: readonly { readonly state: LaneState; readonly workers: number }[];
}

/** States in which a lane is to take heartbeats. One in quarantine is there for the fault of its worker. */
const AT_WORK: readonly LaneState[] = ['starting', 'ready', 'restarting'];

/**
 * For the watchdog of a service manager, which restarts the whole master. A single lane is restarted by the master itself, and
 * so is the HTTP thread: what is named here lasts only where that does not help.
 * @returns undefined if all answer
 */
export function stuckPart({ httpAnswers, lanes }: VitalSigns): string | undefined {
  if (httpAnswers === false) return 'the HTTP thread does not answer';
  const busy = lanes.filter(({ state, workers }) => workers > 0 && AT_WORK.includes(state));
  if (busy.length > 0 && busy.every(({ state }) => state !== 'ready')) return 'no lane takes heartbeats';
  return undefined;
}
