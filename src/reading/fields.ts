/** The members of a list item. */
import { PulselaneError } from '../lib/errors.ts';

/** Included unless a client names the fields it wants. */
const USUAL = [
  'worker_id',
  'state',
  'cause',
  'since',
  'is_active',
  'stuck',
  'flapping',
  'id_conflict',
  'group',
  'labels',
  'isolation',
  'lane',
  'lane_state',
  'interval_ms',
  'skew_ms',
  'restarts',
  'missed',
  'registered_at',
  'last_update_at',
  'cpu_usage',
  'memory_usage',
  'storage_usage',
  'gpu_usage',
  'has_gpu',
  'running_tasks_count',
  'anomaly_score',
] as const;

/** Included only on request: seldom needed, or large. The last is copied from memory as it is, so it must come last. */
const ON_DEMAND = ['late', 'duplicate', 'metrics', 'telemetry'] as const;

export const FIELD_NAMES = [...USUAL, ...ON_DEMAND] as const;
export type FieldName = (typeof FIELD_NAMES)[number];

export interface Fields {
  /** Equal for equal fields; empty for the usual ones. */
  readonly key: string;
  /** Each once, in output order; `worker_id` is always included. */
  readonly names: readonly FieldName[];
  /** Their indexes in {@link FIELD_NAMES}. */
  readonly numbers: readonly number[];
}

const numbersOf = (names: readonly FieldName[]) => names.map((name) => FIELD_NAMES.indexOf(name));

const USUAL_FIELDS: Fields = { key: '', names: USUAL, numbers: numbersOf(USUAL) };

/**
 * @param text comma-separated names; undefined: the usual ones
 * @throws PulselaneError `invalid_argument`, naming the unknown field
 */
export function fieldsOf(text: string | undefined): Fields {
  if (text === undefined) return USUAL_FIELDS;
  const asked = text.split(',');
  const unknown = asked.find((name) => !(FIELD_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new PulselaneError(
      'invalid_argument',
      `unknown field ${JSON.stringify(unknown)}; expected one of ${FIELD_NAMES.join(', ')}`,
    );
  }
  const names = FIELD_NAMES.filter((name) => name === 'worker_id' || asked.includes(name));
  const key = names.join(',');
  return key === USUAL.join(',') ? USUAL_FIELDS : { key, names, numbers: numbersOf(names) };
}
