/** Which part of a master is stuck although its main thread runs: a pure function of what main knows about its threads. */
import type { LaneState } from '../model/lanes.ts';

export interface VitalSigns {
  /** HTTP is on, and its thread listens and answers; undefined: HTTP is off. */
  readonly httpAnswers: boolean | undefined;
  readonly lanes: readonly { readonly state: LaneState; readonly workers: number }[];
}

/** States in which a lane should accept heartbeats. A quarantined lane is its worker's fault, not the master's. */
const AT_WORK: readonly LaneState[] = ['starting', 'ready', 'restarting'];

/**
 * For a service manager's watchdog, which restarts the whole master. The master itself restarts a lane or the HTTP thread, so
 * what is reported here is only what that did not cure.
 * @returns undefined if everything answers
 */
export function stuckPart({ httpAnswers, lanes }: VitalSigns): string | undefined {
  if (httpAnswers === false) return 'the HTTP thread does not answer';
  const busy = lanes.filter(({ state, workers }) => workers > 0 && AT_WORK.includes(state));
  if (busy.length > 0 && busy.every(({ state }) => state !== 'ready')) return 'no lane takes heartbeats';
  return undefined;
}
