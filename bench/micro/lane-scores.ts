/** What it costs a lane to score each sample, in time and in memory. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import type { LaneScores, LaneScoresCalls } from '../processes/lane-scores.ts';

const HEARTBEATS = 150_000;

export const laneScores: Bench = {
  name: 'lane-scores',
  question: 'What does it cost a lane to compare each sample with what is usual?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, ({ time }) =>
      withChildren((start) => start<LaneScoresCalls>('lane-scores.ts').call('measure', scaled(HEARTBEATS, time))),
    );
    return figuresOf<LaneScores>(runs, [
      {
        id: 'lane.scores.sample',
        question: 'work of a lane to score one sample of 8 metrics: a heartbeat with scores less one without',
        unit: 'µs',
        goal: 5,
        of: ({ withNs, withoutNs }) => (withNs - withoutNs) / 1000,
      },
      {
        id: 'lane.scores.with',
        question: 'work of a lane for a heartbeat of 4 tasks and 8 metrics, with its score',
        unit: 'µs',
        of: ({ withNs }) => withNs / 1000,
      },
      {
        id: 'lane.scores.state',
        question: 'what the model remembers of one metric of one worker',
        unit: 'bytes',
        goal: 64,
        of: ({ stateBytes }) => stateBytes,
      },
      {
        id: 'lane.scores.slot',
        question: 'memory of a worker for scores: 8 metrics, rings of 64 samples',
        unit: 'bytes',
        of: ({ slotBytes }) => slotBytes,
      },
    ]);
  },
};
