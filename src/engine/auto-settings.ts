/** What `auto` amounts to on this machine, without starting anything: for people who look at settings. */
import { availableParallelism } from 'node:os';
import type { LanePlan, LaneSettings } from './lanes/lane-plan.ts';
import { planLanes } from './lanes/lane-plan.ts';
import { type FactSources, readMachineFacts, thisMachine } from './lanes/machine-facts.ts';
import { DANGER_BELOW_FREE } from './lanes/resident-watch.ts';
import { recordBudgetBytes } from './workers/record-memory.ts';

export interface AutoSettings extends Pick<LanePlan, 'dedicated' | 'shared'> {
  readonly recordMemoryBytes: number;
  /** Resident memory at which a lane is ended whose processor made it grow. */
  readonly maxResidentBytes: number;
}

/** @param settings as set: `auto` of the one may depend on the other */
export function autoSettings(
  settings: LaneSettings & { readonly maxWorkers: number },
  { sources = thisMachine(), cores = availableParallelism() }: { sources?: FactSources; cores?: number } = {},
): AutoSettings {
  const facts = readMachineFacts(sources);
  const { dedicated, shared } = planLanes({ facts, cores }, settings, settings.maxWorkers);
  const memoryBytes = Math.min(...facts.memory.map(({ most }) => most));
  return {
    dedicated,
    shared,
    recordMemoryBytes: recordBudgetBytes(memoryBytes),
    maxResidentBytes: memoryBytes * (1 - DANGER_BELOW_FREE),
  };
}
