/**
 * Prints how well each setting of the baselines does on the half for tuning, the best first, and where Pulselane's model fails there.
 *
 *     npm run node -- bench/anomaly/tune.ts [model|baselines|clean] [SEEDS]
 */
import { DAY_S } from './bases.ts';
import { cleanMonth } from './clean.ts';
import { type Detector, ewma, fixedThreshold, pulselane, threeSigma } from './detectors.ts';
import { judge, seedsFrom, sumOf } from './judge.ts';
import { delayOf, f1, precision, recall } from './scoring.ts';
import { TUNING_FAMILIES } from './split.ts';

const [what = 'model', seedCount = '18'] = process.argv.slice(2);
const seeds = seedsFrom(0, Number(seedCount));
const print = (line: string) => process.stdout.write(`${line}\n`);
const share = (value: number) => value.toFixed(3);

if (what === 'model') {
  const [judgement] = judge([pulselane], TUNING_FAMILIES, seeds, ({ family, base, seed, window }, [alarms = []]) => {
    const isHit = alarms.some((sample) => sample >= window[0] && sample < window[1] + 12);
    const isClean = alarms.every((sample) => sample >= window[0] && sample < window[1] + 12);
    if (!isHit || !isClean) print(`${family} ${base} ${seed}: window ${window.join('–')}, alarms ${alarms.join(' ')}`);
  });
  if (judgement === undefined) throw new Error('nothing was judged');
  for (const family of [...TUNING_FAMILIES, undefined]) {
    const tally = family === undefined ? sumOf(judgement) : sumOf(judgement, [family]);
    const [p, r] = [precision(tally), recall(tally)].map(share);
    print(`${family ?? 'all'}: F1 ${share(f1(tally))}, precision ${p}, recall ${r}, delay ${delayOf(tally)}`);
  }
} else if (what === 'clean') {
  let total = 0;
  for (const seed of seeds) {
    const { worker, alarms, workerAlarms } = cleanMonth(seed);
    total += workerAlarms;
    const counts = new Map<string, number>();
    for (const { metric, code, atS } of alarms) {
      const what = `${metric} ${code}${atS < DAY_S ? ' on the first day' : atS < 7 * DAY_S ? ' in the first week' : ''}`;
      counts.set(what, (counts.get(what) ?? 0) + 1);
    }
    print(`worker ${worker}, seed ${seed}: ${workerAlarms}; ${[...counts].map((each) => each.join(': ')).join(', ')}`);
  }
  print(`${(total / seeds.length).toFixed(2)} false alarms per worker and month`);
} else {
  const settings = new Map<string, Detector>();
  const windows = [180, 360, 720, 2160];
  for (const samples of [1, 3, 6, 12]) {
    for (const margin of [0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1]) {
      settings.set(`fixed margin=${margin} samples=${samples}`, fixedThreshold({ margin, samples }));
    }
    for (const window of windows) {
      for (const sigmas of [2, 3, 4, 5, 6, 8]) {
        settings.set(
          `3-sigma sigmas=${sigmas} window=${window} samples=${samples}`,
          threeSigma({ sigmas, window, samples }),
        );
        for (const part of [0.05, 0.1, 0.2, 0.4]) {
          // The average is narrower than the samples, except where these follow one another: wider limits are tried, too.
          for (const times of [1, 2, 4]) {
            settings.set(
              `EWMA share=${part} sigmas=${times * sigmas} window=${window} samples=${samples}`,
              ewma({ share: part, sigmas: times * sigmas, window, samples }),
            );
          }
        }
      }
    }
  }
  const names = [...settings.keys()];
  const judgements = judge([...settings.values()], TUNING_FAMILIES, seeds);
  const scored = judgements.map((judgement, index) => ({ name: names[index] as string, tally: sumOf(judgement) }));
  scored.sort((one, other) => f1(other.tally) - f1(one.tally));
  for (const method of ['fixed', '3-sigma', 'EWMA']) {
    for (const { name, tally } of scored.filter((each) => each.name.startsWith(method)).slice(0, 5)) {
      print(`${name}: F1 ${share(f1(tally))}, precision ${share(precision(tally))}, recall ${share(recall(tally))}`);
    }
  }
}
