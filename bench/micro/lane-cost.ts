/** What a dedicated lane costs: memory, and CPU to start. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import type { LaneCost, LanesCalls, ThreadCost } from '../processes/lanes.ts';

const LANES = 100;
const HEARTBEATS = 20_000;

interface Run {
  readonly bare: ThreadCost;
  readonly without: LaneCost;
  readonly with: LaneCost;
}

export const laneCost: Bench = {
  name: 'lane-cost',
  question: 'What does a dedicated lane cost, and what does a processor in it cost?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, async ({ threads, time }): Promise<Run> => {
      const measure = (hasProcessor: boolean) =>
        withChildren((start) =>
          start<LanesCalls>('lanes.ts').call('start', scaled(LANES, threads), scaled(HEARTBEATS, time), hasProcessor),
        );
      const bare = await withChildren((start) =>
        start<LanesCalls>('lanes.ts').call('startBare', scaled(LANES, threads)),
      );
      return { bare, without: await measure(false), with: await measure(true) };
    });
    return figuresOf<Run>(runs, [
      {
        id: 'lane.rss',
        question: 'RSS of a dedicated lane with one worker',
        unit: 'MB',
        of: (run) => run.without.rssBytesPerLane / 1e6,
      },
      {
        id: 'lane.cpu',
        question: 'CPU to start a dedicated lane and apply one heartbeat',
        unit: 'ms',
        of: (run) => run.without.cpuMsPerLane,
      },
      {
        id: 'lane.bare.rss',
        question: 'RSS of a thread that does nothing',
        unit: 'MB',
        of: (run) => run.bare.rssBytes / 1e6,
      },
      { id: 'lane.bare.cpu', question: 'CPU to start it', unit: 'ms', of: (run) => run.bare.cpuMs },
      {
        id: 'lane.rss.ratio',
        question: 'RSS of a dedicated lane compared with such a thread',
        unit: '×',
        goal: 0.9,
        of: (run) => run.without.rssBytesPerLane / run.bare.rssBytes,
      },
      {
        id: 'lane.cpu.ratio',
        question: 'CPU to start a dedicated lane compared with such a thread',
        unit: '×',
        goal: 1.6,
        of: (run) => run.without.cpuMsPerLane / run.bare.cpuMs,
      },
      {
        id: 'lane.work',
        question: 'CPU of a lane for a heartbeat of 4 tasks, in bursts of 16',
        unit: 'µs',
        of: (run) => run.without.cpuUsPerHeartbeat,
      },
      {
        id: 'lane.processor.rss',
        question: 'RSS of a dedicated lane with a processor that does nothing',
        unit: 'MB',
        of: (run) => run.with.rssBytesPerLane / 1e6,
      },
      {
        id: 'lane.processor.cpu',
        question: 'CPU to start it and apply one heartbeat',
        unit: 'ms',
        of: (run) => run.with.cpuMsPerLane,
      },
      {
        id: 'lane.processor.work',
        question: 'CPU of it for a heartbeat of 4 tasks, in bursts of 16',
        unit: 'µs',
        of: (run) => run.with.cpuUsPerHeartbeat,
      },
    ]);
  },
};
