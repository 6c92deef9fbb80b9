/** Which of the two CEL libraries for JavaScript evaluates faster. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import type { CelCalls, CelTimes } from '../processes/cel-libraries.ts';

const EVALUATIONS = 1_000_000;

export const alertCel: Bench = {
  name: 'alert-cel',
  question: 'How fast do CEL libraries evaluate conditions of alerts?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, ({ time }) =>
      withChildren((start) =>
        start<CelCalls>('cel-libraries.ts').call('measure', { evaluations: scaled(EVALUATIONS, time) }),
      ),
    );
    const of = '1,000,000 evaluations of three conditions in turn';
    return figuresOf<CelTimes>(runs, [
      {
        id: 'alerts.cel.marcbachmann',
        question: `${of}: @marcbachmann/cel-js`,
        unit: 'ms',
        of: (times) => times.marcbachmannMs,
      },
      { id: 'alerts.cel.bufbuild', question: `${of}: @bufbuild/cel`, unit: 'ms', of: (times) => times.bufbuildMs },
      {
        id: 'alerts.cel.plain',
        question: `${of}: JavaScript written by hand`,
        unit: 'ms',
        of: (times) => times.plainMs,
      },
    ]);
  },
};
