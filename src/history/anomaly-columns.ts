/**
 * Why samples are anomalies, as columns: of each sample with a score of at least 0.5 two values, which only such samples have.
 *
 *     anomaly.<reason>.<metric>   the reason's ratio: how many times the usual spread it is away, or the usual
 *     anomaly.usual.<metric>      what is usual for the metric
 *
 * So they are stored, rolled up, queried and exported as all other metrics are; of a minute or an hour, the count says how many of its
 * samples were anomalies.
 */
import { REASON_NAMES, type ReasonName } from '../model/anomaly/words.ts';
import type { SampleColumns } from '../store/sample-columns.ts';
import { namedCauseIn } from '../store/score-word.ts';
import type { MetricKey } from './samples.ts';

export const ANOMALY_PREFIX = 'anomaly.';
const USUAL = 'usual';

export function isAnomalyKey(key: MetricKey): boolean {
  return key.startsWith(ANOMALY_PREFIX);
}

function anomalyKeyOf(reason: ReasonName, metric: MetricKey): MetricKey {
  return `${ANOMALY_PREFIX}${reason}.${metric}`;
}

function usualKeyOf(metric: MetricKey): MetricKey {
  return `${ANOMALY_PREFIX}${USUAL}.${metric}`;
}

const NONE: ReadonlyMap<MetricKey, Float64Array> = new Map();

/** Those of the columns' samples; empty if none is an anomaly. */
export function anomalyColumns({
  count,
  scoreWords,
  usual,
  metricKeys,
}: SampleColumns): ReadonlyMap<MetricKey, Float64Array> {
  let found: Map<MetricKey, Float64Array> | undefined;
  for (let n = 0; n < count; n++) {
    const cause = namedCauseIn(scoreWords[n] as number, metricKeys);
    if (cause === undefined) continue;
    found ??= new Map();
    const { metric, code, ratio } = cause;
    column(found, anomalyKeyOf(REASON_NAMES[code] as ReasonName, metric), count)[n] = ratio;
    column(found, usualKeyOf(metric), count)[n] = Number((usual[n] as number).toPrecision(4));
  }
  return found ?? NONE;
}

function column(columns: Map<MetricKey, Float64Array>, key: MetricKey, count: number): Float64Array {
  let values = columns.get(key);
  if (values === undefined) {
    values = new Float64Array(count).fill(Number.NaN);
    columns.set(key, values);
  }
  return values;
}
