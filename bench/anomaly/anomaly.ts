/** How well anomalies are found, beside what people use otherwise, and what a sample's score costs: see README.md. */
import { MetricKind } from '../../src/model/anomaly/metric-kind.ts';
import { Scorer } from '../../src/model/anomaly/scorer.ts';
import { SEASONAL_FLOATS } from '../../src/model/anomaly/seasonal.ts';
import { STATE_BYTES, STATE_FLOATS } from '../../src/model/anomaly/state.ts';
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { figureOf, figuresOf, type GoalIs } from '../lib/rows.ts';
import { STEP_S } from './bases.ts';
import { cleanMonth, METRICS, WORKERS } from './clean.ts';
import { BASELINES, pulselane } from './detectors.ts';
import { FAMILY_NAMES } from './families.ts';
import { judge, seedsFrom, sumOf } from './judge.ts';
import { Random } from './random.ts';
import { delayOf, f1, precision, recall } from './scoring.ts';
import { HELD_BACK_FAMILIES, HELD_BACK_FROM } from './split.ts';

/** Series of each family. */
const SEEDS = 18;
/** Twice each kind of worker. */
const MONTHS = 2 * WORKERS.length;
const DAYS = 30;
const SAMPLES = 300_000;

export const anomaly: Bench = {
  name: 'anomaly',
  question: 'How well are anomalies found in series that the model was not tuned on, and what does a score cost?',
  async run(context: BenchContext) {
    const { size, progress } = context;
    const seeds = scaled(SEEDS, size.fleet);
    progress(`anomaly: ${FAMILY_NAMES.length * seeds} series`);
    const detectors = [pulselane, ...BASELINES.map(([, detector]) => detector)];
    const [ours, ...others] = judge(detectors, FAMILY_NAMES, seedsFrom(HELD_BACK_FROM, seeds));
    if (ours === undefined) throw new Error('nothing was judged');
    const of = `${seeds} series of each family`;
    const row = (id: string, question: string, unit: string, value: number, goal?: number, goalIs?: GoalIs) =>
      figureOf({ id, question, unit, ...(goal === undefined ? {} : { goal }), ...(goalIs && { goalIs }) }, [value]);
    const all = sumOf(ours);
    const held = sumOf(ours, HELD_BACK_FAMILIES);
    const best = Math.max(...others.map((judgement) => f1(sumOf(judgement))));
    const bestHeld = Math.max(...others.map((judgement) => f1(sumOf(judgement, HELD_BACK_FAMILIES))));

    const months = scaled(MONTHS, size.fleet);
    const days = Math.min(DAYS, scaled(DAYS, size.fleet * 2));
    let falseAlarms = 0;
    for (const seed of seedsFrom(HELD_BACK_FROM, months)) {
      progress(`anomaly: month ${seed - HELD_BACK_FROM + 1} of ${months}`);
      falseAlarms += cleanMonth(seed, days).workerAlarms;
    }

    const costs = await repeated(this, context, async ({ time }) => sampleCostUs(scaled(SAMPLES, time)));
    return [
      row('anomaly.f1', `F1 over all families, ${of}`, '', f1(all), 0.85, 'at least'),
      row('anomaly.precision', 'precision over all families', '', precision(all)),
      row('anomaly.recall', 'recall over all families', '', recall(all)),
      row('anomaly.delay', 'samples until an anomaly is noticed, median', 'samples', delayOf(all)),
      row('anomaly.ahead', 'F1 over all families, above the best baseline’s', '', f1(all) - best, 0.15, 'at least'),
      row('anomaly.held-back.f1', 'F1 over the families that are held back', '', f1(held), 0.8, 'at least'),
      row('anomaly.held-back.ahead', 'the same above the best baseline’s', '', f1(held) - bestHeld, 0.15, 'at least'),
      ...BASELINES.flatMap(([name], index) => {
        const judgement = others[index] as (typeof others)[number];
        const id = name.replace(' ', '-').toLowerCase();
        return [
          row(`anomaly.${id}.f1`, `F1 over all families, of ${name}`, '', f1(sumOf(judgement))),
          row(`anomaly.${id}.held-back.f1`, 'the same, held back', '', f1(sumOf(judgement, HELD_BACK_FAMILIES))),
        ];
      }),
      ...FAMILY_NAMES.flatMap((family) => {
        const tally = sumOf(ours, [family]);
        const id = `anomaly.${family.replace(' ', '-')}`;
        return [
          row(`${id}.precision`, `precision, ${family}`, '', precision(tally)),
          row(`${id}.recall`, `recall, ${family}`, '', recall(tally)),
          row(`${id}.delay`, 'samples until it is noticed, median; 0: never', 'samples', delayOf(tally) || 0),
        ];
      }),
      row(
        'anomaly.false-alarms',
        `false alarms per worker of 8 metrics and month, ${months} workers × ${days} days without anomalies`,
        '',
        (falseAlarms * DAYS) / months / days,
        1,
      ),
      ...figuresOf(costs, [
        {
          id: 'anomaly.sample',
          question: 'the model’s work for a sample of 8 metrics',
          unit: 'µs',
          goal: 5,
          of: (us) => us,
        },
      ]),
      row('anomaly.bytes', 'state of a metric in the lane', 'B', STATE_BYTES, 64),
      row('anomaly.season.bytes', 'seasonal baseline of a metric', 'B', 4 * SEASONAL_FLOATS, 1536),
    ];
  },
};

/** Of noise: whatever a sample is, it takes as long. */
function sampleCostUs(samples: number): number {
  const floats = new Float32Array(new SharedArrayBuffer(METRICS * STATE_BYTES));
  const scorer = new Scorer();
  const random = new Random(1);
  const values = Float64Array.from({ length: 4096 }, () => 40 + 5 * random.normal());
  let next = 0;
  const take = (count: number) => {
    for (let sample = 0; sample < count; sample++) {
      const atMs = next * STEP_S * 1000;
      for (let metric = 0; metric < METRICS; metric++) {
        const value = values[(next * METRICS + metric) % values.length] as number;
        scorer.take(floats, metric * STATE_FLOATS, MetricKind.percent, atMs, value);
      }
      next++;
    }
  };
  // Until the code is compiled.
  take(samples / 4);
  const beganMs = performance.now();
  take(samples);
  return ((performance.now() - beganMs) * 1000) / samples;
}
