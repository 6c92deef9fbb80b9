/** Everything that is known of one worker. */
import { formatDuration } from '../../config/kinds.ts';
import { ANOMALY_SCORE } from '../../model/anomaly/scorer.ts';
import type { GpuUsage, RunningTask } from '../../model/telemetry.ts';
import type { WorkerFacts } from '../../model/worker-facts.ts';
import { ENDLESS_PAGE, type Page } from '../text/page.ts';
import { type Cell, type Column, facts, prose, section, table } from '../text/table.ts';
import {
  age,
  count,
  countOf,
  gibibytes,
  instant,
  kibibytes,
  milliseconds,
  NOTHING,
  number,
  percent,
} from '../text/units.ts';
import { heartbeatTotalsText, usagesText } from './cluster-text.ts';
import { HEARD_STATES, type LivenessView, type WorkerDetailView, type WorkerInside } from './views.ts';
import { anomalyScoreText, laneText, stateCell, stateText } from './workers-text.ts';

export interface WorkerTextOptions {
  /** More tasks and metrics than this are only counted. */
  readonly maxItems?: number;
  /** Where all of them can be seen, for the line that counts the rest. */
  readonly whereAll?: string;
}

type Fact = readonly [name: string, value: Cell];

const MAX_NAME_WIDTH = 48;
/** Both ends of most names. */
const LEAST_NAME_WIDTH = 12;

export function workerText(
  worker: WorkerDetailView,
  options: WorkerTextOptions = {},
  page: Page = ENDLESS_PAGE,
): string {
  const { workerId, state, liveness, usages, ageMs, inside, runningTasks, gpus, metrics } = worker;
  const isUnheard = usages === undefined && (inside === undefined || inside.counts.accepted === 0);
  const lastHeartbeat = isUnheard ? `none yet, known for ${age(ageMs)}` : `${age(ageMs)} ago`;
  const head: Fact[] = [
    ['worker', workerId],
    ['state', stateCell(state, liveness, liveness === undefined ? state : stateSinceText(state, liveness))],
    ['last heartbeat', lastHeartbeat],
    ...(liveness === undefined ? [] : livenessFacts(liveness)),
    ['usage', usages === undefined ? NOTHING : lastValue(worker, usagesText(usages))],
    ['tasks', lastValue(worker, count(runningTasks.length))],
    ...anomalyFacts(worker),
    ...(inside === undefined ? [] : insideFacts(inside, worker)),
  ];
  const metricRows = Object.entries(metrics)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, value]) => [name, number(value)]);
  return (
    facts(head, page) +
    listed({ title: 'Tasks', columns: TASK_COLUMNS, rows: runningTasks.map(taskRow) }, options, page) +
    listed({ title: 'GPUs', columns: GPU_COLUMNS, rows: gpus.map(gpuRow) }, options, page) +
    listed({ title: 'Metrics', columns: METRIC_COLUMNS, rows: metricRows }, options, page)
  );
}

/** Also while it is as usual, so that people know that it is watched. */
function anomalyFacts({ state, anomalyScore, anomaly }: WorkerDetailView): Fact[] {
  if (anomalyScore === undefined || !HEARD_STATES.has(state)) return [];
  const score = `score ${anomalyScoreText(anomalyScore)}`;
  if (anomalyScore < ANOMALY_SCORE) return [['anomaly', `none (${score})`]];
  return [['anomaly', { text: anomaly === undefined ? score : `${anomaly} (${score})`, meaning: 'warning' }]];
}

/** @param text of what is no longer so, perhaps, where the worker is silent */
function lastValue({ state, usages }: WorkerDetailView, text: string): Cell {
  const isOld = usages !== undefined && !HEARD_STATES.has(state);
  return isOld ? { text: `${text} (old: the worker is silent)`, meaning: 'old' } : text;
}

function stateSinceText(state: string, liveness: LivenessView): string {
  const { forMs, cause } = liveness;
  return stateText(`${state} for ${age(forMs)} (${cause.replaceAll('_', ' ')})`, liveness);
}

const STUCK_TEXTS: Readonly<Record<string, string>> = {
  host_loop: 'the event loop of its host program stands still',
  tasks: 'a running task makes no progress',
};

function livenessFacts({ stuck, intervalMs, skewMs, missed, late, duplicate, restarts }: LivenessView): Fact[] {
  return [
    ...(stuck === undefined ? [] : [['stuck', STUCK_TEXTS[stuck] ?? stuck] as const]),
    ['interval', formatDuration(intervalMs)],
    ['sequence', `${count(missed)} missed, ${count(late)} late, ${count(duplicate)} duplicate`],
    ...(restarts === 0 ? [] : [['restarts', count(restarts)] as const]),
    ...(skewMs === undefined ? [] : [['clock', clockText(skewMs)] as const]),
  ];
}

function clockText(skewMs: number): string {
  if (Math.abs(skewMs) < 1) return 'as the master’s';
  const off = Math.abs(skewMs) < 1000 ? milliseconds(Math.abs(skewMs)) : age(Math.abs(skewMs));
  return `${off} ${skewMs > 0 ? 'ahead of' : 'behind'} the master’s`;
}

/** More neighbours than this on a shared lane are only counted. */
const MAX_NEIGHBOURS = 5;

function insideFacts(inside: WorkerInside, { workerId, lane }: WorkerDetailView): Fact[] {
  const {
    registeredUnixMs,
    counts,
    record,
    leftOut,
    rejection,
    fault,
    sharesWith,
    timing,
    address,
    facts: known,
  } = inside;
  return [
    ['registered', instant(registeredUnixMs)],
    ['heartbeats', heartbeatTotalsText(counts)],
    ['record', `${kibibytes(record.bytes)} as JSON, room for ${kibibytes(record.roomBytes)}`],
    ...leftOutFacts(leftOut),
    ...(rejection === undefined
      ? []
      : [['last rejection', `${rejection.reason} (${age(rejection.ageMs)} ago)`] as const]),
    ...(lane === undefined ? [] : [['lane', laneText(lane)] as const]),
    ...isolationFacts(inside.isolation),
    ...(sharesWith.length === 0 ? [] : [['shares it with', neighboursText(sharesWith)] as const]),
    ...(fault === undefined
      ? []
      : [['last failure', `${fault.cause}: ${fault.reason} (${age(fault.ageMs)} ago)`] as const]),
    ...(lane?.state !== 'quarantined' ? [] : [['quarantined', `"release ${workerId}" tries it again now`] as const]),
    ...(timing === undefined || (timing.hostLoopLagMs === 0 && timing.lastRoundTripMs === 0)
      ? []
      : [
          [
            'timing',
            `event loop lag ${measured(timing.hostLoopLagMs)}, round trip ${measured(timing.lastRoundTripMs)}`,
          ] as const,
        ]),
    ...(address === undefined ? [] : [['address', address] as const]),
    ...(known === undefined ? [] : knownFacts(known)),
  ];
}

function leftOutFacts({ count: metrics, names }: WorkerInside['leftOut']): Fact[] {
  if (metrics === 0) return [];
  const rest = metrics - names.length;
  const named = `${names.join(', ')}${rest > 0 ? ` and ${countOf(rest, 'other')}` : ''}`;
  return [['not in history', `${countOf(metrics, 'metric')} (HISTORY_METRICS): ${named}`]];
}

function measured(ms: number): string {
  return ms === 0 ? NOTHING : milliseconds(ms);
}

/** What is decided and wished is shown where there is anything. */
function isolationFacts({ decided, wishesOwn }: WorkerInside['isolation']): Fact[] {
  const parts = [
    ...(decided === 'auto' ? [] : [`${decided}, decided by an operator`]),
    ...(wishesOwn ? ['the worker wishes for a lane of its own'] : []),
  ];
  return parts.length === 0 ? [] : [['isolation', parts.join('; ')]];
}

function neighboursText(workerIds: readonly string[]): string {
  const rest = workerIds.length - MAX_NEIGHBOURS;
  const shown = workerIds.slice(0, MAX_NEIGHBOURS).join(', ');
  return rest > 0 ? `${shown} and ${countOf(rest, 'other')}` : shown;
}

/** What a worker left out when it registered is not shown. */
function knownFacts(known: WorkerFacts): Fact[] {
  const labels = Object.entries(known.labels).map(([name, value]) => `${name}=${value}`);
  const entries: Fact[] = [
    ['capacity', capacityText(known)],
    ['ip', known.ip],
    ['labels', labels.sort().join(', ')],
    ['group', known.group],
    ['ephemeral', known.ephemeral ? 'yes' : ''],
    ['agent', known.agentVersion],
    ['instance', known.instanceId],
  ];
  return entries.filter(([, value]) => value !== '');
}

/** Empty if nothing was told. No machine is without cores or memory, but many are without GPUs. */
function capacityText({ totalCpu, totalMemoryGib, totalStorageGib, totalGpu }: WorkerFacts): string {
  const isKnown = [totalCpu, totalMemoryGib, totalStorageGib, totalGpu].some((value) => value !== 0);
  if (!isKnown) return '';
  return [
    ...(totalCpu === 0 ? [] : [countOf(totalCpu, 'core')]),
    ...(totalMemoryGib === 0 ? [] : [`memory ${totalMemoryGib.toFixed(1)} GiB`]),
    ...(totalStorageGib === 0 ? [] : [`storage ${totalStorageGib.toFixed(1)} GiB`]),
    countOf(totalGpu, 'GPU'),
  ].join(', ');
}

const TASK_COLUMNS: readonly Column[] = [
  { title: 'ID', maxWidth: MAX_NAME_WIDTH, shortensTo: LEAST_NAME_WIDTH },
  { title: 'STATUS', maxWidth: 24 },
  { title: 'CORES', align: 'right', rank: 4 },
  { title: 'MEM', align: 'right', rank: 3 },
  { title: 'GPUS', align: 'right', rank: 2 },
  { title: 'PROGRESS', align: 'right' },
  { title: 'STARTED', rank: 1 },
];

function taskRow(task: RunningTask): string[] {
  return [
    task.taskId,
    task.status,
    number(task.cpuAllocated),
    `${number(task.memoryAllocated)} GiB`,
    number(task.gpuAllocated),
    task.progress === undefined ? NOTHING : percent(task.progress * 100),
    task.startedAtUnixMs === undefined ? NOTHING : instant(task.startedAtUnixMs),
  ];
}

const GPU_COLUMNS: readonly Column[] = [
  { title: 'GPU', align: 'right' },
  { title: 'NAME', maxWidth: MAX_NAME_WIDTH, shortensTo: LEAST_NAME_WIDTH, rank: 3 },
  { title: 'USE', align: 'right' },
  { title: 'MEM', align: 'right', rank: 4 },
  { title: 'TEMP', align: 'right', rank: 2 },
  { title: 'POWER', align: 'right', rank: 1 },
];

function gpuRow(gpu: GpuUsage): string[] {
  const memory = [gpu.memoryUsedBytes, gpu.memoryTotalBytes].map((bytes) =>
    bytes === undefined ? NOTHING : gibibytes(bytes),
  );
  return [
    // A part stands under its device, as its heartbeat has it.
    gpu.parentUuid === undefined ? String(gpu.index) : `/${gpu.index}`,
    gpu.name,
    gpu.utilizationPercent === undefined ? NOTHING : percent(gpu.utilizationPercent),
    memory.join(' of '),
    gpu.temperatureCelsius === undefined ? NOTHING : `${Math.round(gpu.temperatureCelsius)} °C`,
    gpu.powerWatts === undefined ? NOTHING : `${Math.round(gpu.powerWatts)} W`,
  ];
}

const METRIC_COLUMNS: readonly Column[] = [
  { title: 'NAME', maxWidth: MAX_NAME_WIDTH, shortensTo: LEAST_NAME_WIDTH },
  { title: 'VALUE', align: 'right' },
];

interface Listed {
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
}

function listed(
  { title, columns, rows }: Listed,
  { maxItems = Number.POSITIVE_INFINITY, whereAll }: WorkerTextOptions,
  page: Page,
): string {
  if (rows.length === 0) return '';
  const more = rows.length - maxItems;
  const rest = more > 0 ? `\n… and ${count(more)} more${whereAll === undefined ? '' : `: ${whereAll}`}` : '';
  const body = (inner: Page) =>
    table(columns, rows.slice(0, maxItems), inner) + (rest === '' ? '' : `\n${prose(rest.slice(1), inner)}`);
  return section(title, body, page);
}
