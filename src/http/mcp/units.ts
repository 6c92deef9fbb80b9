/** Names that say their unit, and numbers without digits that nobody reads. */
import type { Json } from './mcp-tool.ts';

/** The API's names of values whose unit is only in its description. */
const WITH_UNIT: Readonly<Record<string, string>> = {
  cpu_usage: 'cpu_usage_percent',
  memory_usage: 'memory_usage_percent',
  storage_usage: 'storage_usage_percent',
  gpu_usage: 'gpu_usage_percent',
  cpu_allocated: 'cpu_allocated_cores',
  memory_allocated: 'memory_allocated_gib',
  gpu_allocated: 'gpu_allocated_devices',
  skew_ms: 'clock_skew_ms',
  missed: 'heartbeats_missed',
  last_update_at: 'last_heartbeat_at',
};

/** Members of these are named by workers and rules. */
const FOREIGN = new Set(['labels', 'metrics', 'annotations', 'firing_by_severity']);

/**
 * Renames members, rounds numbers and leaves out what is null, false or empty, and counts that are all 0: an answer for a
 * model is short.
 */
export function compact(value: Json, isForeign = false): Json {
  if (typeof value === 'number') return rounded(value);
  if (Array.isArray(value)) return value.map((one: Json) => compact(one));
  if (value === null || typeof value !== 'object') return value;
  const members = Object.entries(value)
    .map(([name, member]): [string, Json] => [
      isForeign ? name : (WITH_UNIT[name] ?? name),
      compact(member, FOREIGN.has(name)),
    ])
    .filter(([, member]) => isForeign || !isEmpty(member));
  return Object.fromEntries(members);
}

/** Six digits are more than any gauge has; whole numbers stay as they are. */
export function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(6));
}

function isEmpty(value: Json): boolean {
  if (value === null || value === false || value === '') return true;
  if (typeof value !== 'object') return false;
  const members = Object.values(value);
  return members.length === 0 || (members.length > 1 && members.every((member) => member === 0));
}

/** The unit of a metric of history. */
export function unitOf(metric: string): string {
  if (metric.startsWith('metrics.')) return 'as the worker sends it';
  if (metric.endsWith('_usage') || metric.endsWith('_percent')) return 'percent';
  if (metric === 'running_tasks') return 'tasks';
  return /_(bytes|watts|celsius|mhz)$/.exec(metric)?.[1] ?? 'as the worker sends it';
}
