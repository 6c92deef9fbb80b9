/** How soon a new worker is visible with its values: its own lane is starting, and another lane processes its first heartbeat. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, p50p99, ratioOf, type Spread, spreadQuestions } from '../lib/rows.ts';
import type { NewcomersCalls } from '../processes/newcomers.ts';

const NEWCOMERS = 100;

interface Run {
  readonly visible: Spread;
  readonly floor: Spread;
}

export const firstVisible: Bench = {
  name: 'first-visible',
  question: 'How soon is a new worker visible with its values?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, async ({ threads }): Promise<Run> => {
      const measure = (which: 'measure' | 'measureFloor') =>
        withChildren((start) => start<NewcomersCalls>('newcomers.ts').call(which, scaled(NEWCOMERS, threads)));
      return { floor: p50p99(await measure('measureFloor')), visible: p50p99(await measure('measure')) };
    });
    const question = 'first heartbeat of a new worker: accepted to shown as active';
    return figuresOf<Run>(runs, [
      ...spreadQuestions<Run>({ id: 'first.visible', question, unit: 'ms' }, ({ visible }) => visible),
      ...spreadQuestions<Run>(
        { id: 'first.visible.floor', question: `${question}: a bare thread is woken while another starts`, unit: 'ms' },
        ({ floor }) => floor,
      ),
      ...spreadQuestions<Run>(
        { id: 'first.visible.ratio', question: `${question}: compared with that`, unit: '×' },
        ({ visible, floor }) => ratioOf(visible, floor),
        { p50: 3 },
      ),
    ]);
  },
};
