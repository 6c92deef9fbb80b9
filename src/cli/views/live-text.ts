/** One frame of the live view: it fits the terminal, so that it can be drawn over the frame before. */
import { printable } from '../../lib/printable.ts';
import { age, count, number, percent, share } from '../text/units.ts';
import { cut, padEnd, padStart } from '../text/width.ts';
import type { UsageColumns, WorkerDetailView } from './views.ts';
import { laneText } from './workers-text.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

const BARS: readonly (readonly [label: string, usage: keyof UsageColumns])[] = [
  ['CPU', 'cpu'],
  ['memory', 'memory'],
  ['GPU', 'gpu'],
  ['storage', 'storage'],
];
const LABEL_WIDTH = 8;
const VALUE_WIDTH = 8;
/** A wider bar is no easier to read. */
const MAX_BAR_WIDTH = 60;
const HINT = 'any key returns to the prompt';

/** Lines without line ends, each within `size.columns`, at most one fewer than `size.rows`. */
export function liveText(workerId: string, worker: WorkerDetailView | undefined, size: Size): string[] {
  const lines =
    worker === undefined ? [workerId, 'is not known any more'] : [...workerLines(worker, size), ...itemLines(worker)];
  // The last row is the cursor's, the one above it the hint's.
  const room = Math.max(1, size.rows - 2);
  const body = lines.length <= room ? lines : [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more lines`];
  return [...body, HINT].map((line) => cut(printable(line), Math.max(1, size.columns - 1)));
}

function workerLines(worker: WorkerDetailView, { columns }: Size): string[] {
  const { workerId, state, usages, ageMs, tasks, lane, inside } = worker;
  const lastHeartbeat = usages === undefined ? 'no heartbeat yet' : `last heartbeat ${age(ageMs)} ago`;
  const lines = [
    [workerId, state, lastHeartbeat, ...(lane === undefined ? [] : [`lane ${laneText(lane)}`])].join(' · '),
    ...BARS.map(([label, usage]) => bar(label, usages?.[usage], columns)),
  ];
  if (inside !== undefined) {
    const { accepted, applied, rejected, replaced, lost } = inside.counts;
    lines.push(
      `heartbeats ${count(accepted)} · applied ${count(applied)} · rejected ${count(rejected)} · ` +
        `replaced ${count(replaced)} · lost ${count(lost)}`,
    );
  }
  lines.push(`tasks ${count(tasks)}`);
  return lines;
}

function itemLines({ runningTasks, metrics }: WorkerDetailView): string[] {
  const tasks = runningTasks.map(({ taskId, status, cpuAllocated, memoryAllocated, progress }) =>
    [
      `  ${taskId}`,
      status,
      `${number(cpuAllocated)} cores`,
      `${number(memoryAllocated)} GiB`,
      ...(progress === undefined ? [] : [percent(progress * 100)]),
    ].join(' · '),
  );
  return [...Object.entries(metrics).map(([name, value]) => `${name} ${number(value)}`), ...tasks];
}

/** `CPU     [#####.....]   45.2%`; usages above 100 fill it. */
function bar(label: string, usage: number | undefined, columns: number): string {
  const width = Math.min(MAX_BAR_WIDTH, columns - LABEL_WIDTH - VALUE_WIDTH - 4);
  const value = padStart(share(usage), VALUE_WIDTH);
  if (width < 5) return padEnd(label, LABEL_WIDTH) + value;
  const filled = Math.round((Math.min(100, Math.max(0, usage ?? 0)) / 100) * width);
  return `${padEnd(label, LABEL_WIDTH)}[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]${value}`;
}
