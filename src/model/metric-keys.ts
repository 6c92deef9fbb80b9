/**
 * Keys of metrics besides the base ones: `metrics.<name>` of a custom metric, `gpus.<index>.<field>` of a device. Whatever a
 * custom metric is called, its key is never that of a device.
 */
import type { GpuUsage } from './telemetry.ts';

const CUSTOM_PREFIX = 'metrics.';
/** All in ASCII. */
export const CUSTOM_PREFIX_BYTES = CUSTOM_PREFIX.length;

export function customMetricKey(name: string): string {
  return CUSTOM_PREFIX + name;
}

/** The custom metric's name; undefined: it is another metric's key. */
export function customMetricName(key: string): string | undefined {
  return key.startsWith(CUSTOM_PREFIX) ? key.slice(CUSTOM_PREFIX_BYTES) : undefined;
}

/** What is kept of each device. Its total memory does not change. */
const DEVICE_FIELDS = ['utilization_percent', 'memory_used_bytes', 'temperature_celsius', 'power_watts'] as const;
const DEVICE_MEMBERS = ['utilizationPercent', 'memoryUsedBytes', 'temperatureCelsius', 'powerWatts'] as const;

/** A device's index and the place of a field in {@link DEVICE_FIELDS} in one number, which is cheaper than a string. */
export type DeviceMetric = number;

export function deviceMetricKey(metric: DeviceMetric): string {
  const field = metric % DEVICE_FIELDS.length;
  return `gpus.${(metric - field) / DEVICE_FIELDS.length}.${DEVICE_FIELDS[field]}`;
}

const DEVICE_KEY = /^gpus\.(\d+)\.(\w+)$/;

/** Undefined: it is another metric's key. */
export function deviceMetricOf(key: string): DeviceMetric | undefined {
  const [, index, name] = DEVICE_KEY.exec(key) ?? [];
  const field = (DEVICE_FIELDS as readonly (string | undefined)[]).indexOf(name);
  return index === undefined || field < 0 ? undefined : Number(index) * DEVICE_FIELDS.length + field;
}

const NO_DEVICE_METRICS: ReadonlyMap<DeviceMetric, number> = new Map();

/** What the devices report. If two have the same index, the first counts. */
export function deviceMetrics(devices: readonly GpuUsage[]): ReadonlyMap<DeviceMetric, number> {
  if (devices.length === 0) return NO_DEVICE_METRICS;
  const values = new Map<DeviceMetric, number>();
  for (const device of devices) {
    const first = device.index * DEVICE_FIELDS.length;
    for (let field = 0; field < DEVICE_MEMBERS.length; field++) {
      const value = device[DEVICE_MEMBERS[field] as (typeof DEVICE_MEMBERS)[number]];
      if (value !== undefined && !values.has(first + field)) values.set(first + field, value);
    }
  }
  return values;
}
