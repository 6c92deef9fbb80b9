/** Which members an item has. */
import { PulselaneError } from '../lib/errors.ts';

/** Told unless a client says which ones it wants. */
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
  'running_tasks_count',
] as const;

/** Told on demand: they may be large. The last is copied as it lies in memory, so nothing comes after it. */
const ON_DEMAND = ['metrics', 'telemetry'] as const;

export const FIELD_NAMES = [...USUAL, ...ON_DEMAND] as const;
export type FieldName = (typeof FIELD_NAMES)[number];

export interface Fields {
  /** Equal for equal fields; empty for the usual ones. */
  readonly key: string;
  /** Each once, in the order in which they are told; `worker_id` always is. */
  readonly names: readonly FieldName[];
  /** Their places in {@link FIELD_NAMES}. */
  readonly numbers: readonly number[];
}

const numbersOf = (names: readonly FieldName[]) => names.map((name) => FIELD_NAMES.indexOf(name));

const USUAL_FIELDS: Fields = { key: '', names: USUAL, numbers: numbersOf(USUAL) };

/**
 * @param text names with commas between them; undefined: the usual ones.
 * @throws PulselaneError `invalid_argument`, naming what is no field.
 */
export function fieldsOf(text: string | undefined): Fields {
  if (text === undefined) return USUAL_FIELDS;
  const asked = text.split(',');
  const unknown = asked.find((name) => !(FIELD_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new PulselaneError(
      'invalid_argument',
      `${JSON.stringify(unknown)} is no field: there are ${FIELD_NAMES.join(', ')}`,
    );
  }
  const names = FIELD_NAMES.filter((name) => name === 'worker_id' || asked.includes(name));
  const key = names.join(',');
  return key === USUAL.join(',') ? USUAL_FIELDS : { key, names, numbers: numbersOf(names) };
}
