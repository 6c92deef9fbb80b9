/** History; none of these while it is off. */
import { HISTORY_STATES } from '../../model/history-status.ts';
import { counter, counterBy, gauge, gaugeBy, type MasterFacts, type MasterFamily } from './master-family.ts';

export const HISTORY_FAMILIES: readonly MasterFamily[] = [
  gaugeBy('history_state', 'state', 'The state of history: 1 for the present one, otherwise 0.', ({ directory }) => {
    const { history } = directory;
    if (history === undefined) return {};
    return Object.fromEntries(HISTORY_STATES.map((state) => [state, Number(state === history.state)]));
  }),
  gauge(
    'history_durable_age_seconds',
    'Age of the newest moment until which everything applied is in the database; since the start if nothing is.',
    (facts) => durableAgeSeconds(facts),
    'seconds',
  ),
  gauge(
    'history_waiting_samples',
    'Samples in memory that are neither in the database nor in the spool.',
    ({ directory }) => {
      return directory.history?.waitingSamples;
    },
  ),
  counter('history_samples_written', 'Samples written to the database.', ({ directory }) => directory.history?.samples),
  counter('history_batches_written', 'Batches written to the database.', ({ directory }) => directory.history?.batches),
  counterBy('history_samples_lost', 'reason', 'Samples that are missing in history.', ({ directory }) => {
    return directory.history?.lost ?? {};
  }),
  counter(
    'history_events_lost',
    'Events that are missing in history.',
    ({ directory }) => directory.history?.lostEvents,
  ),
  counter('history_task_changes_lost', 'Changes of tasks that are missing in history.', ({ directory }) => {
    return directory.history?.lostTaskChanges;
  }),
  counter(
    'history_workers_closed_too_late',
    'Removed workers whose last samples and tasks are missing in history.',
    ({ directory }) => directory.history?.closedTooLate,
  ),
  gauge(
    'history_commit_seconds',
    'Duration of the last commit.',
    ({ directory }) => directory.history && directory.history.commitMs / 1000,
    'seconds',
  ),
  gauge(
    'history_spool_bytes',
    'Size of the spool, which holds samples while the database is not available.',
    ({ directory }) => directory.history?.spool.bytes,
    'bytes',
  ),
  gauge(
    'history_spool_limit_bytes',
    'Largest size of the spool (HISTORY_SPOOL_MAX).',
    ({ directory }) => directory.history?.spool.maxBytes,
    'bytes',
  ),
  gauge('history_spool_batches', 'Batches in the spool.', ({ directory }) => directory.history?.spool.batches),
  gauge(
    'history_database_bytes',
    'Size of the database of history, if known.',
    ({ directory }) => directory.history?.figures?.bytes,
    'bytes',
  ),
];

function durableAgeSeconds({ directory: { history }, nowUnixMs, startedUnixMs }: MasterFacts): number | undefined {
  return history && Math.max(0, nowUnixMs - (history.durableUntilUnixMs ?? startedUnixMs)) / 1000;
}
