/** What one liveness check of all workers costs main; it happens four times a second. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, p50p99 } from '../lib/rows.ts';
import type { SweepsCalls, SweepTimes } from '../processes/sweeps.ts';

const FLEETS = [10_000, 100_000] as const;
const SWEEPS = 40;

type Run = Readonly<Record<number, SweepTimes>>;

export const sweep: Bench = {
  name: 'sweep',
  question: 'What does one liveness check of all workers cost?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, async ({ fleet }): Promise<Run> => {
      const times: Record<number, SweepTimes> = {};
      for (const workers of FLEETS) {
        times[workers] = await withChildren((start) =>
          start<SweepsCalls>('sweeps.ts').call('measure', scaled(workers, fleet), SWEEPS),
        );
      }
      return times;
    });
    return figuresOf<Run>(
      runs,
      FLEETS.flatMap((workers) => {
        const question = `liveness check of ${scaled(workers, context.size.fleet)} workers`;
        const of = (run: Run) => run[workers] as SweepTimes;
        return [
          {
            id: `sweep.${workers}.p50`,
            question: `${question} that send, p50`,
            unit: 'ms',
            of: (run: Run) => p50p99(of(run).healthyMs).p50,
          },
          {
            id: `sweep.${workers}.p99`,
            question: `${question} that send, p99`,
            unit: 'ms',
            of: (run: Run) => p50p99(of(run).healthyMs).p99,
          },
          {
            id: `sweep.${workers}.plain.p50`,
            question: `${question}: one comparison each in a Map, p50`,
            unit: 'ms',
            of: (run: Run) => p50p99(of(run).plainMs).p50,
          },
          {
            id: `sweep.${workers}.ratio`,
            question: `${question}: compared with that, p50`,
            unit: '×',
            goal: 25,
            of: (run: Run) => p50p99(of(run).healthyMs).p50 / p50p99(of(run).plainMs).p50,
          },
          {
            id: `sweep.${workers}.silent`,
            question: `${question} that all became silent: the longest check`,
            unit: 'ms',
            of: (run: Run) => of(run).silentMs,
          },
        ];
      }),
    );
  },
};
