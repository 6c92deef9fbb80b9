/** What people read of an anomaly: a metric as they call it, with its unit. */
import { type AnomalyReason, ReasonCode, reasonText } from './reason.ts';

/** Why one metric of a worker is unusual. */
export interface AnomalyCause extends AnomalyReason {
  /** The metric's key, as history names it. */
  readonly metric: string;
}

/** By code: the names that the API and history use. */
export const REASON_NAMES = Object.keys(ReasonCode) as readonly (keyof typeof ReasonCode)[];
export type ReasonName = keyof typeof ReasonCode;

/** Such as "memory 3.9 × its usual spread above its usual 41 % for 6 samples". */
export function causeText(cause: AnomalyCause): string {
  const { name, unit } = wordsOf(cause.metric);
  return reasonText(name, unit, cause);
}

const USAGES: Readonly<Record<string, string>> = {
  cpu_usage: 'CPU',
  memory_usage: 'memory',
  storage_usage: 'storage',
  gpu_usage: 'GPU',
};

const OTHERS: Readonly<Record<string, { readonly name: string; readonly unit: string }>> = {
  running_tasks: { name: 'number of tasks', unit: '' },
  heartbeat_interval: { name: 'heartbeat interval', unit: ' s' },
};

const DEVICES: Readonly<Record<string, { readonly name: string; readonly unit: string }>> = {
  utilization_percent: { name: 'utilization', unit: ' %' },
  memory_used_bytes: { name: 'used memory', unit: ' bytes' },
  temperature_celsius: { name: 'temperature', unit: ' °C' },
  power_watts: { name: 'power', unit: ' W' },
};

/** @param key as history names the metric */
export function wordsOf(key: string): { readonly name: string; readonly unit: string } {
  const usage = Object.hasOwn(USAGES, key) ? USAGES[key] : undefined;
  if (usage !== undefined) return { name: usage, unit: ' %' };
  const other = Object.hasOwn(OTHERS, key) ? OTHERS[key] : undefined;
  if (other !== undefined) return other;
  const [, index, field = ''] = /^gpus\.(\d+)\.(\w+)$/.exec(key) ?? [];
  const device = Object.hasOwn(DEVICES, field) ? DEVICES[field] : undefined;
  if (device !== undefined) return { name: `${device.name} of GPU ${index}`, unit: device.unit };
  return { name: key.startsWith('metrics.') ? key.slice('metrics.'.length) : key, unit: '' };
}
