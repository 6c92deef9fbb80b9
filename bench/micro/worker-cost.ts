/** What a worker on a shared lane costs in memory: board, slot, ring, roster, and what lane and http thread keep of it. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import type { WorkerCost, WorkersCalls } from '../processes/workers.ts';

const WORKERS = 5000;

export const workerCost: Bench = {
  name: 'worker-cost',
  question: 'What does a worker on a shared lane cost in memory?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, ({ fleet }) =>
      withChildren((start) =>
        start<WorkersCalls>('workers.ts', ['--expose-gc']).call('measure', scaled(WORKERS, fleet)),
      ),
    );
    return figuresOf<WorkerCost>(runs, [
      {
        id: 'worker.rss',
        question: 'RSS of a worker with 4 tasks on a shared lane, its connection not counted',
        unit: 'KB',
        goal: 40,
        of: ({ rssBytesPerWorker }) => rssBytesPerWorker / 1000,
      },
      {
        id: 'worker.slot.resident',
        question: 'share of a new slot, ring included, that is resident before anything is written to it',
        unit: '%',
        of: ({ slotRssShare }) => slotRssShare * 100,
      },
    ]);
  },
};
