/** Answers with series, as JSON text: built by hand, since points are many and all alike. */
import type { AggregatePoint, AggregateSeries } from '../../history/query/fleet-series.ts';
import type { AnswerGap } from '../../history/query/gaps.ts';
import type { TimeRange } from '../../history/query/plan.ts';
import type { FleetAnswer, WorkerAnswer } from '../../history/query/queries.ts';
import type { Degraded } from '../../history/query/read-workers.ts';
import type { Point } from '../../history/query/steps.ts';
import type { Series } from '../../history/query/worker-series.ts';

export function isoTime(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

/** @param isOne a single metric was asked for: then its series are members of the answer itself */
export function workerAnswerJson(
  { workerId, series, degraded }: WorkerAnswer,
  range: TimeRange,
  isOne: boolean,
): string {
  const [first] = series;
  const inside =
    isOne && first !== undefined && series.length === 1
      ? seriesMembers(first)
      : `"series":[${series.map((one) => `{${seriesMembers(one)}}`).join()}]`;
  return `{"worker_id":${JSON.stringify(workerId)},${rangeMembers(range)},${inside}${degradedMember(degraded)}}`;
}

export function fleetAnswerJson({ workers, series, degraded }: FleetAnswer, range: TimeRange): string {
  const all = series.map((one) => {
    const workerId = one.workerId ?? null;
    const member = 'member' in one ? (one.member ?? null) : null;
    return `{"worker_id":${JSON.stringify(workerId)},"member":${JSON.stringify(member)},${seriesMembers(one)}}`;
  });
  return `{"workers":${workers},${rangeMembers(range)},"series":[${all.join()}]${degradedMember(degraded)}}`;
}

function rangeMembers({ fromMs, toMs }: TimeRange): string {
  return `"from":"${isoTime(fromMs)}","to":"${isoTime(toMs)}"`;
}

function degradedMember(degraded: Degraded | undefined): string {
  return degraded === undefined
    ? ''
    : `,"degraded":${JSON.stringify({ code: degraded.code, detail: degraded.detail })}`;
}

function seriesMembers({ metric, tier, stepMs, points, gaps }: Series | AggregateSeries): string {
  const all = (points as readonly (Point | AggregatePoint)[]).map(pointJson).join();
  return `"metric":${JSON.stringify(metric)},"step_ms":${stepMs},"tier":"${tier}","points":[${all}],"gaps":[${gaps.map(gapJson).join()}]`;
}

/** Values are finite: heartbeats with others are rejected. A sum of them may not be. */
function pointJson(point: Point | AggregatePoint): string {
  const { atMs, min, max, mean, last, count } = point;
  const aggregate = 'value' in point ? `"value":${numberJson(point.value)},"workers":${point.workers},` : '';
  return `{"at":"${isoTime(atMs)}",${aggregate}"min":${min},"max":${max},"mean":${numberJson(mean)},"last":${last},"count":${count}}`;
}

function numberJson(value: number): string {
  return Number.isFinite(value) ? String(value) : 'null';
}

function gapJson({ fromMs, toMs, reason, lost }: AnswerGap): string {
  const known = lost > 0 ? `,"lost":${lost}` : '';
  return `{"from":"${isoTime(fromMs)}","to":"${isoTime(toMs)}","reason":"${reason}"${known}}`;
}
