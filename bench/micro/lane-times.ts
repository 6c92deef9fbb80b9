/** What it costs a lane to record how long heartbeats take. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import type { LaneTimes, LaneTimesCalls } from '../processes/lane-times.ts';

const HEARTBEATS = 300_000;

export const laneTimes: Bench = {
  name: 'lane-times',
  question: 'What does it cost a lane to record how long each heartbeat takes?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, ({ time }) =>
      withChildren((start) => start<LaneTimesCalls>('lane-times.ts').call('measure', scaled(HEARTBEATS, time))),
    );
    return figuresOf<LaneTimes>(runs, [
      {
        id: 'lane.times.with',
        question: 'work of a lane for a heartbeat of 4 tasks, with its time recorded',
        unit: 'ns',
        of: ({ withNs }) => withNs,
      },
      {
        id: 'lane.times.without',
        question: 'the same without, in turn with it',
        unit: 'ns',
        of: ({ withoutNs }) => withoutNs,
      },
      {
        id: 'lane.times.ratio',
        question: 'work with times recorded compared with that without',
        unit: '×',
        goal: 1.05,
        of: ({ withNs, withoutNs }) => withNs / withoutNs,
      },
    ]);
  },
};
