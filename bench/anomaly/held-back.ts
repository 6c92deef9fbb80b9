/**
 * Prints how the detectors do on seeds that are held back from tuning, over all families. Each run is told in README.md.
 *
 *     npm run node -- bench/anomaly/held-back.ts [SEEDS] [FIRST]
 */
import { BASELINES, pulselane } from './detectors.ts';
import { FAMILY_NAMES } from './families.ts';
import { judge, seedsFrom, sumOf } from './judge.ts';
import { delayOf, f1, precision, recall, type Tally } from './scoring.ts';
import { HELD_BACK_FAMILIES, HELD_BACK_FROM } from './split.ts';

const [count = '18', first = String(HELD_BACK_FROM)] = process.argv.slice(2);
if (!(Number(first) >= HELD_BACK_FROM))
  throw new Error(`seed ${first} is for tuning: expected ${HELD_BACK_FROM} or more`);
const seeds = seedsFrom(Number(first), Number(count));
const detectors = [['pulselane', pulselane] as const, ...BASELINES];
const judgements = judge(
  detectors.map(([, detector]) => detector),
  FAMILY_NAMES,
  seeds,
);
for (const [index, [name]] of detectors.entries()) {
  const judgement = judgements[index] as (typeof judgements)[number];
  const rows: [string, Tally][] = FAMILY_NAMES.map((family) => [family, sumOf(judgement, [family])]);
  rows.push(['held back', sumOf(judgement, HELD_BACK_FAMILIES)], ['all', sumOf(judgement)]);
  for (const [what, tally] of rows) {
    const [f, p, r] = [f1(tally), precision(tally), recall(tally)].map((value) => value.toFixed(3));
    process.stdout.write(`${name}, ${what}: F1 ${f}, precision ${p}, recall ${r}, delay ${delayOf(tally)}\n`);
  }
}
