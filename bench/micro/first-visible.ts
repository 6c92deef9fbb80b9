/** How soon a new worker is shown with its values: its own lane is started, and another one does its first heartbeat. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, p50p99 } from '../lib/rows.ts';
import type { NewcomersCalls } from '../processes/newcomers.ts';

const NEWCOMERS = 100;
const GOAL_MS = 5;

export const firstVisible: Bench = {
  name: 'first-visible',
  question: 'How soon is a new worker shown with its values?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, ({ threads }) =>
      withChildren((start) => start<NewcomersCalls>('newcomers.ts').call('measure', scaled(NEWCOMERS, threads))),
    );
    const question = 'first heartbeat of a new worker: accepted to shown as active';
    return figuresOf<Float64Array>(runs, [
      {
        id: 'first.visible.p50',
        question: `${question}, p50`,
        unit: 'ms',
        goal: GOAL_MS,
        of: (tookMs) => p50p99(tookMs).p50,
      },
      { id: 'first.visible.p99', question: `${question}, p99`, unit: 'ms', of: (tookMs) => p50p99(tookMs).p99 },
    ]);
  },
};
