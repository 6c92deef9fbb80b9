/**
 * How families are called in OTLP: by the semantic conventions of OpenTelemetry where there is one, else by our own names. This is the
 * only module that knows the conventions. `system.*`, `hw.*` and `process.*` are in development there, so the version is pinned: a newer one is a
 * further entry of {@link CONVENTIONS}, and OTLP_SEMANTIC_CONVENTIONS chooses. `off` gives every family its own name.
 *
 * Our own names, by one rule: the family's name without the suffix of its unit, `pulselane_` and `pulselane_worker_` written as
 * `pulselane.` and `pulselane.worker.`; a custom metric `name` is `pulselane.custom.name`. A receiver that translates these to Prometheus gets the
 * name that `GET /metrics` has. Labels are attributes of the same name.
 *
 * Names, units and attributes: https://opentelemetry.io/docs/specs/semconv/system/system-metrics and …/semconv/hardware/gpu
 */
import type { Family, Label } from '../../family.ts';
import { CUSTOM_PREFIX } from '../../workers/custom-names.ts';

export const CONVENTIONS_VERSIONS = ['1.45.0', 'off'] as const;
export type ConventionsVersion = (typeof CONVENTIONS_VERSIONS)[number];

/** An up-down counter is a sum that may fall, such as used memory: adding it up over workers makes sense. */
export type Instrument = 'gauge' | 'counter' | 'updowncounter' | 'histogram';

export type Attribute = readonly [key: string, value: string];

export interface OtlpName {
  readonly name: string;
  /** In UCUM, as OTLP asks for; empty: none. */
  readonly unit: string;
  readonly instrument: Instrument;
  readonly isInteger: boolean;
}

export interface Convention {
  readonly family: string;
  readonly name: string;
  readonly instrument: Instrument;
  /** Constant attributes. */
  readonly attributes: readonly Attribute[];
  /** Whether its series are GPUs: their labels become attributes of hardware. */
  readonly isDevice: boolean;
}

export interface Conventions {
  /** Undefined: none is stated. */
  readonly schemaUrl: string | undefined;
  readonly byFamily: ReadonlyMap<string, Convention>;
}

const GPU: Attribute = ['hw.type', 'gpu'];

const plain = (family: string, name: string, instrument: Instrument, ...attributes: Attribute[]): Convention => {
  return { family, name, instrument, attributes, isDevice: false };
};
const gpu = (family: string, name: string, instrument: Instrument, ...attributes: Attribute[]): Convention => {
  return { family, name, instrument, attributes: [GPU, ...attributes], isDevice: true };
};

const V1_45_0: readonly Convention[] = [
  plain('pulselane_worker_cpu_usage_ratio', 'system.cpu.utilization', 'gauge'),
  plain('pulselane_worker_memory_usage_ratio', 'system.memory.utilization', 'gauge', ['system.memory.state', 'used']),
  plain('pulselane_worker_memory_limit_bytes', 'system.memory.limit', 'updowncounter'),
  plain('pulselane_worker_storage_usage_ratio', 'system.filesystem.utilization', 'gauge', [
    'system.filesystem.state',
    'used',
  ]),
  plain('pulselane_worker_storage_size_bytes', 'system.filesystem.limit', 'updowncounter'),
  gpu('pulselane_worker_gpu_utilization_ratio', 'hw.gpu.utilization', 'gauge', ['hw.gpu.task', 'general']),
  gpu('pulselane_worker_gpu_memory_used_bytes', 'hw.gpu.memory.usage', 'updowncounter'),
  gpu('pulselane_worker_gpu_memory_total_bytes', 'hw.gpu.memory.limit', 'updowncounter'),
  gpu('pulselane_worker_gpu_temperature_celsius', 'hw.temperature', 'gauge'),
  gpu('pulselane_worker_gpu_power_watts', 'hw.power', 'gauge'),
  // Of the master's process.
  plain('process_cpu_seconds', 'process.cpu.time', 'counter'),
  plain('process_resident_memory_bytes', 'process.memory.usage', 'updowncounter'),
  plain('process_virtual_memory_bytes', 'process.memory.virtual', 'updowncounter'),
];

export const CONVENTIONS: Readonly<Record<ConventionsVersion, Conventions>> = {
  '1.45.0': {
    schemaUrl: 'https://opentelemetry.io/schemas/1.45.0',
    byFamily: new Map(V1_45_0.map((convention) => [convention.family, convention])),
  },
  off: { schemaUrl: undefined, byFamily: new Map() },
};

/** From the suffix of a family's name to UCUM. */
const UNITS: ReadonlyMap<string | undefined, string> = new Map([
  [undefined, ''],
  ['seconds', 's'],
  ['bytes', 'By'],
  ['ratio', '1'],
  ['celsius', 'Cel'],
  ['watts', 'W'],
]);

export function otlpNameOf(family: Family, { byFamily }: Conventions): OtlpName {
  const convention = byFamily.get(family.name);
  const instrument = convention?.instrument ?? ownInstrument(family);
  const unit = UNITS.get(family.unit) ?? family.unit ?? '';
  return {
    name: convention?.name ?? ownName(family),
    unit,
    instrument,
    // Always the same type for a metric: a receiver may take an integer and a double for different series.
    isInteger: unit === 'By' || family.type === 'stateset' || (instrument === 'counter' && unit === ''),
  };
}

/** @param labels of the series; that of the worker is in its resource */
export function attributesOf(
  family: Family,
  labels: readonly Label[],
  { byFamily }: Conventions,
): readonly Attribute[] {
  const convention = byFamily.get(family.name);
  if (convention === undefined) return labels.filter(([name]) => name !== 'worker');
  return convention.isDevice ? [...convention.attributes, ...hardwareAttributes(labels)] : convention.attributes;
}

/** `hw.id` is unique within a worker: a MIG instance's uuid, the device's, or its index. */
function hardwareAttributes(labels: readonly Label[]): Attribute[] {
  const { gpu: index = '', uuid = '', mig = '' } = Object.fromEntries(labels);
  const id = mig !== '' ? mig : uuid !== '' ? uuid : `gpu${index}`;
  const parent: Attribute[] = mig !== '' && uuid !== '' ? [['hw.parent', uuid]] : [];
  return [['hw.id', id], ['hw.name', `gpu${index}`], ...parent];
}

function ownInstrument({ type }: Family): Instrument {
  return type === 'counter' || type === 'histogram' ? type : 'gauge';
}

const WORKER_PREFIX = 'pulselane_worker_';
const PREFIX = 'pulselane_';

function ownName({ name, unit }: Family): string {
  // Whatever a custom metric is called, it has no unit.
  if (name.startsWith(CUSTOM_PREFIX)) return `pulselane.custom.${name.slice(CUSTOM_PREFIX.length)}`;
  const base = unit !== undefined && name.endsWith(`_${unit}`) ? name.slice(0, -unit.length - 1) : name;
  if (base.startsWith(WORKER_PREFIX)) return `pulselane.worker.${base.slice(WORKER_PREFIX.length)}`;
  return base.startsWith(PREFIX) ? `pulselane.${base.slice(PREFIX.length)}` : base;
}
