/** What a worker on a shared lane costs in memory: board, slot, roster, and its state in lane and HTTP thread. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import type { PlainCalls } from '../processes/plain.ts';
import type { WorkerCost, WorkersCalls } from '../processes/workers.ts';

const WORKERS = 5000;

interface Run extends WorkerCost {
  /** Decoded heartbeats in a Map. */
  readonly plainHeapBytes: number;
}

export const workerCost: Bench = {
  name: 'worker-cost',
  question: 'What does a worker on a shared lane cost in memory?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, async ({ fleet }): Promise<Run> => {
      const workers = scaled(WORKERS, fleet);
      const plainHeapBytes = await withChildren((start) =>
        start<PlainCalls>('plain.ts', ['--expose-gc']).call('heapBytesPerWorker', workers),
      );
      const cost = await withChildren((start) =>
        start<WorkersCalls>('workers.ts', ['--expose-gc']).call('measure', workers),
      );
      return { ...cost, plainHeapBytes };
    });
    return figuresOf<Run>(runs, [
      {
        id: 'worker.rss',
        question: 'RSS of a worker with 4 tasks on a shared lane, without its connection',
        unit: 'KB',
        of: ({ rssBytesPerWorker }) => rssBytesPerWorker / 1000,
      },
      {
        id: 'worker.plain.heap',
        question: 'heap of a worker with 4 tasks in the plain server: a decoded heartbeat in a Map',
        unit: 'KB',
        of: ({ plainHeapBytes }) => plainHeapBytes / 1000,
      },
      {
        id: 'worker.rss.ratio',
        question: 'RSS of a worker on a shared lane, compared with that',
        unit: '×',
        goal: 25,
        of: ({ rssBytesPerWorker, plainHeapBytes }) => rssBytesPerWorker / plainHeapBytes,
      },
      {
        id: 'worker.slot.hour',
        question:
          'shared memory of a worker with 4 tasks that keeps an hour of samples, one per 5 s, without custom metrics',
        unit: 'KB',
        goal: 45,
        of: ({ hourSlotBytes }) => hourSlotBytes / 1000,
      },
      {
        id: 'worker.slot.scores',
        question: 'what scores (ANOMALIES) add to it',
        unit: 'KB',
        of: ({ hourScoreBytes }) => hourScoreBytes / 1000,
      },
      {
        id: 'worker.sample.read',
        question: 'CPU to read one sample, with its four usages as shortest decimals',
        unit: 'ns',
        of: ({ cpuNsPerSampleRead }) => cpuNsPerSampleRead,
      },
      {
        id: 'worker.slot.resident',
        question: 'share of a new slot that is resident before anything is written to it',
        unit: '%',
        of: ({ slotRssShare }) => slotRssShare * 100,
      },
    ]);
  },
};
