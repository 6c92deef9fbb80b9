/** Which metrics of a worker history does not get, because all its columns are taken (HISTORY_METRICS) or names are too long. */
import { shortText } from '../lib/foreign-text.ts';
import { customMetricKey, deviceMetricKey, deviceMetrics } from '../model/metric-keys.ts';
import { recordJsonTail, type TelemetryJson, telemetryOfJson } from '../model/record-json.ts';
import type { SlotReader } from '../store/slot-reader.ts';

/** Enough to recognise what they are. */
const NAMED = 10;
/** As in messages about a heartbeat. */
const SHOWN_NAME_LENGTH = 64;

export interface LeftOut {
  /** How many metrics of the last record. */
  readonly count: number;
  /** The keys of the first ten, shortened. */
  readonly names: readonly string[];
}

const NOTHING: LeftOut = { count: 0, names: [] };

/** Parses the record only if anything was ever left out. */
export function leftOutOfHistory(slot: SlotReader): LeftOut {
  if (slot.metricsLeftOut === 0) return NOTHING;
  const { metrics, gpus } = telemetryOfJson(JSON.parse(slot.json(recordJsonTail(0, false))) as TelemetryJson);
  const kept = new Set(slot.metricKeys);
  const keys = [
    ...Object.keys(metrics).map(customMetricKey),
    ...Array.from(deviceMetrics(gpus).keys(), deviceMetricKey),
  ];
  const missing = keys.filter((key) => !kept.has(key));
  return { count: missing.length, names: missing.slice(0, NAMED).map((key) => shortText(key, SHOWN_NAME_LENGTH)) };
}
