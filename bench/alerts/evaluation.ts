/** What an evaluation of alerting rules costs, beside a hand-written loop over the same memory. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import type { AlertEvaluations, AlertRulesCalls } from '../processes/alert-rules.ts';

const WORKERS = 10_000;
/** Windows of 10 minutes are full after so many evaluations. */
const FILLING = 120;
const EVALUATIONS = 60;
const INTERVAL_MS = 5000;

export const alertEvaluation: Bench = {
  name: 'alert-evaluation',
  question: 'What does one evaluation of 100 alerting rules on 10,000 workers cost?',
  async run(context: BenchContext) {
    const workers = scaled(WORKERS, context.size.fleet);
    const runs = await repeated(this, context, ({ time }) =>
      withChildren((start) =>
        start<AlertRulesCalls>('alert-rules.ts').call('measure', {
          workers,
          filling: scaled(FILLING, Math.min(1, time * 2.5)),
          evaluations: scaled(EVALUATIONS, time),
        }),
      ),
    );
    const of = `100 rules × ${workers} workers, half of them changed`;
    return figuresOf<AlertEvaluations>(runs, [
      {
        id: 'alerts.evaluation.time',
        question: `one evaluation: ${of}`,
        unit: 'ms',
        goal: 1000,
        of: ({ rulesMs }) => rulesMs,
      },
      {
        id: 'alerts.evaluation.loop',
        question: 'the same work in a hand-written loop over the same memory',
        unit: 'ms',
        of: ({ loopMs }) => loopMs,
      },
      {
        id: 'alerts.evaluation.ratio',
        question: 'rules compared with the loop',
        unit: '×',
        goal: 5,
        of: ({ rulesMs, loopMs }) => rulesMs / loopMs,
      },
      {
        id: 'alerts.evaluation.cpu',
        question: 'CPU at one evaluation per 5 s, of one core',
        unit: '%',
        goal: 20,
        of: ({ cpuMs }) => (100 * cpuMs) / INTERVAL_MS,
      },
      {
        id: 'alerts.evaluation.text',
        question: "one rule that needs CEL's own evaluator for every worker, per worker: two functions of texts",
        unit: 'µs',
        of: ({ textUs }) => textUs,
      },
      {
        id: 'alerts.evaluation.macro',
        question: 'the same: a macro over three elements',
        unit: 'µs',
        of: ({ macroUs }) => macroUs,
      },
      {
        id: 'alerts.evaluation.memory',
        question: 'memory of facts and windows',
        unit: 'MiB',
        of: ({ bytes }) => bytes / 1024 ** 2,
      },
    ]);
  },
};
