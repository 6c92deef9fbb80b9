/** What a dedicated lane costs: memory, and CPU to start. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import type { LaneCost, LanesCalls } from '../processes/lanes.ts';

const LANES = 100;

export const laneCost: Bench = {
  name: 'lane-cost',
  question: 'What does a dedicated lane cost?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, ({ threads }) =>
      withChildren((start) => start<LanesCalls>('lanes.ts').call('start', scaled(LANES, threads))),
    );
    return figuresOf<LaneCost>(runs, [
      {
        id: 'lane.rss',
        question: 'RSS of a dedicated lane with one worker',
        unit: 'MB',
        goal: 6.5,
        of: ({ rssBytesPerLane }) => rssBytesPerLane / 1e6,
      },
      {
        id: 'lane.cpu',
        question: 'CPU to start a dedicated lane and apply one heartbeat',
        unit: 'ms',
        goal: 25,
        of: ({ cpuMsPerLane }) => cpuMsPerLane,
      },
    ]);
  },
};
