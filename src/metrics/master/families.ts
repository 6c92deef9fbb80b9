/**
 * The metrics of the master itself, for any reading thread: all from shared memory and main's announcements, so they can
 * be read while main is stuck.
 */
import type { Announcement, Directory } from '../../reading/directory.ts';
import type { FamilyWithSeries } from '../family.ts';
import { ALERT_FAMILIES } from './alerts.ts';
import { EXPORT_FAMILIES } from './exports.ts';
import { FRONT_FAMILIES } from './front.ts';
import { HEARTBEAT_FAMILIES } from './heartbeats.ts';
import { HISTORY_FAMILIES } from './history.ts';
import { factsOf, type MasterFamily, type MasterSource } from './master-family.ts';
import { PROCESS_FAMILIES } from './process.ts';
import { promFamilies } from './prom-families.ts';
import { THREAD_FAMILIES } from './threads.ts';
import { WORKER_AND_LANE_FAMILIES } from './workers-and-lanes.ts';

/** In the order in which they are shown. */
export const MASTER_FAMILIES: readonly MasterFamily[] = [
  ...PROCESS_FAMILIES,
  ...HEARTBEAT_FAMILIES,
  ...WORKER_AND_LANE_FAMILIES,
  ...FRONT_FAMILIES,
  ...THREAD_FAMILIES,
  ...HISTORY_FAMILIES,
  ...EXPORT_FAMILIES,
  ...ALERT_FAMILIES,
];

/** All families that have a series now. To have new figures of the process, await `process.read()` before. */
export function masterFamilies(source: MasterSource): FamilyWithSeries[] {
  const facts = factsOf(source);
  const ours = MASTER_FAMILIES.flatMap(({ labels: _, read, ...family }) => {
    const series = read(facts);
    return series.length === 0 ? [] : [{ family, series }];
  });
  const ofProcess = [...(source.process?.metrics ?? []), ...source.directory.nodeMetrics];
  return [...ours, ...promFamilies(ofProcess, facts.startedUnixMs)];
}

const MASTERS: ReadonlySet<Announcement['type']> = new Set([
  'history',
  'limits',
  'exports',
  'alertRules',
  'alertsStatus',
  'nodeMetrics',
]);

/** Besides workers, these announcements must reach a thread that calls {@link masterFamilies}. */
export function concernsMaster({ type }: Announcement): boolean {
  return MASTERS.has(type);
}

/** What a new thread has to be told for {@link masterFamilies}, by one that knows it. */
export function masterAnnouncements({
  history,
  refusals,
  receivers,
  loadedRules,
  alertsStatus,
  nodeMetrics,
}: Directory): Announcement[] {
  return [
    { type: 'limits', counts: refusals },
    { type: 'nodeMetrics', metrics: nodeMetrics },
    { type: 'exports', receivers },
    ...(history === undefined ? [] : [{ type: 'history', status: history } as const]),
    ...(loadedRules === undefined ? [] : [{ type: 'alertRules', loaded: loadedRules } as const]),
    ...(alertsStatus === undefined ? [] : [{ type: 'alertsStatus', status: alertsStatus } as const]),
  ];
}
