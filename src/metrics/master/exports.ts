/** The export of metrics, by receiver; none of these while none is set. */
import { EXPORT_DROP_REASONS, EXPORT_STATES, type ReceiverStatus } from '../../model/export-status.ts';
import type { Family, Label, Series } from '../family.ts';
import { counted, type MasterFacts, type MasterFamily } from './master-family.ts';

export const EXPORT_FAMILIES: readonly MasterFamily[] = [
  perReceiver('export_state', 'gauge', 'The state of a receiver: 1 for the present one, otherwise 0.', {
    label: 'state',
    read: ({ state }) => Object.fromEntries(EXPORT_STATES.map((one) => [one, Number(one === state)])),
  }),
  perReceiver('export_series', 'gauge', 'Series sent in the last round.', { read: ({ series }) => series }),
  perReceiver(
    'export_series_left_out',
    'gauge',
    'Series of workers that METRICS_MAX_SERIES left out of the last round.',
    {
      read: ({ leftOutSeries }) => leftOutSeries,
    },
  ),
  perReceiver('export_collect_seconds', 'gauge', 'Duration of the last round of collecting.', {
    unit: 'seconds',
    read: ({ collectMs }) => collectMs / 1000,
  }),
  perReceiver('export_rounds_skipped', 'counter', 'Rounds left out because the one before was still being collected.', {
    read: ({ skippedRounds }) => skippedRounds,
  }),
  perReceiver('export_messages_sent', 'counter', 'Messages that the receiver accepted.', {
    read: ({ sentMessages }) => sentMessages,
  }),
  perReceiver('export_samples_sent', 'counter', 'Samples that the receiver accepted.', {
    read: ({ sentSamples }) => sentSamples,
  }),
  perReceiver('export_attempts_failed', 'counter', 'Attempts to send that did not succeed.', {
    read: ({ failedAttempts }) => failedAttempts,
  }),
  perReceiver('export_samples_dropped', 'counter', 'Samples that the receiver lacks.', {
    label: 'reason',
    read: ({ dropped }) => Object.fromEntries(EXPORT_DROP_REASONS.map((reason) => [reason, dropped[reason]])),
  }),
  perReceiver('export_queue_samples', 'gauge', 'Samples that wait for the receiver.', {
    read: ({ queue }) => queue.samples,
  }),
  perReceiver('export_queue_bytes', 'gauge', 'Memory of what waits for the receiver.', {
    unit: 'bytes',
    read: ({ queue }) => queue.bytes,
  }),
  perReceiver('export_queue_limit_bytes', 'gauge', 'Largest memory of what waits for the receiver (EXPORT_QUEUE).', {
    unit: 'bytes',
    read: ({ queue }) => queue.maxBytes,
  }),
  perReceiver('export_lag_seconds', 'gauge', 'Age of the oldest sample that waits for the receiver; 0 if none waits.', {
    unit: 'seconds',
    read: ({ queue }, { nowUnixMs }) => Math.max(0, nowUnixMs - (queue.oldestUnixMs ?? nowUnixMs)) / 1000,
  }),
];

interface Reading {
  readonly unit?: string;
  /** Of the further label whose values are the names that `read` returns. */
  readonly label?: string;
  readonly read: (status: ReceiverStatus, facts: MasterFacts) => number | Readonly<Record<string, number>>;
}

/** A family with one series per receiver, by its kind, or several by a further label. */
function perReceiver(
  name: string,
  type: Extract<Family['type'], 'gauge' | 'counter'>,
  help: string,
  { unit, label, read }: Reading,
): MasterFamily {
  const seriesOf = (labels: readonly Label[], value: number, facts: MasterFacts): Series =>
    type === 'counter' ? counted(labels, value, facts) : { labels, value };
  return {
    name: `pulselane_${name}`,
    type,
    help,
    ...(unit === undefined ? {} : { unit }),
    labels: label === undefined ? ['receiver'] : ['receiver', label],
    read: (facts) =>
      facts.directory.receivers.flatMap((status) => {
        const receiver: Label = ['receiver', status.kind];
        const values = read(status, facts);
        if (typeof values === 'number') return [seriesOf([receiver], values, facts)];
        return Object.entries(values).map(([of, value]) => seriesOf([receiver, [label ?? '', of]], value, facts));
      }),
  };
}
