/** The labels of `pulselane_worker_info`. */
import type { WorkerFacts } from '../../model/worker-facts.ts';
import type { Label } from '../family.ts';

/** Which of a worker's own labels are exposed: those that METRICS_LABELS names. */
export type LabelFilter = (name: string) => boolean;

/**
 * What the master knows of it, then its own labels in the order of their names. A fact that it did not send is absent.
 * Own labels with the name of one of the others are left out.
 */
export function infoLabels(workerId: string, facts: WorkerFacts | undefined, isAllowed: LabelFilter): Label[] {
  const own: Label[] = [
    ['version', facts?.agentVersion ?? ''],
    ['host', facts?.ip ?? ''],
    ['group', facts?.group ?? ''],
    ['instance_id', facts?.instanceId ?? ''],
  ];
  const theirs = Object.entries(facts?.labels ?? {}).filter(([name]) => !RESERVED.has(name) && isAllowed(name));
  theirs.sort(([a], [b]) => (a < b ? -1 : 1));
  // In Prometheus an empty value is the same as no label.
  return [['worker', workerId], ...[...own, ...theirs].filter(([, value]) => value !== '')];
}

/** Names that the master itself gives, and the one that Prometheus keeps for the name of the family. */
const RESERVED: ReadonlySet<string> = new Set(['worker', 'version', 'host', 'group', 'instance_id', '__name__']);
