/** What a dedicated lane costs: memory, and CPU to start. */
import type { Bench } from '../lib/bench.ts';
import { Child } from '../lib/child.ts';
import { rowOf } from '../lib/rows.ts';
import type { LanesAnswer, LanesRequest } from '../processes/lanes.ts';

export const laneCost: Bench = {
  name: 'lane-cost',
  question: 'What does a dedicated lane cost?',
  async run({ sizes, runs, progress }) {
    const answers: LanesAnswer[] = [];
    for (let run = 1; run <= runs; run++) {
      progress(`lane-cost: ${sizes.lanes} lanes, run ${run} of ${runs}`);
      const child = new Child<LanesRequest, LanesAnswer>('lanes.ts');
      try {
        answers.push(await child.ask({ lanes: sizes.lanes }));
      } finally {
        await child.stop();
      }
    }
    return [
      rowOf(
        { id: 'lane.rss', question: 'RSS of a dedicated lane with one worker', unit: 'MB', goal: 6.5 },
        answers.map(({ rssBytesPerLane }) => rssBytesPerLane / 1e6),
      ),
      rowOf(
        { id: 'lane.cpu', question: 'CPU to start a dedicated lane and apply one heartbeat', unit: 'ms', goal: 25 },
        answers.map(({ cpuMsPerLane }) => cpuMsPerLane),
      ),
    ];
  },
};
