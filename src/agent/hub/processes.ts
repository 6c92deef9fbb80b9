/** Processes of this machine with which tasks end; tests have others. */
import { type KnownProcess, ownPidNamespace, processWithId, stillRuns } from '../../lib/process-identity.ts';

export type WatchedProcess = KnownProcess;

export interface Processes {
  /** In which process ids are meant; undefined if unknown. */
  readonly pidNamespace: string | undefined;
  /** Undefined if there is no such process. */
  watch(pid: number): WatchedProcess | undefined;
  isRunning(process: WatchedProcess): boolean;
}

export const systemProcesses: Processes = {
  pidNamespace: ownPidNamespace(),
  watch: processWithId,
  isRunning: stillRuns,
};
