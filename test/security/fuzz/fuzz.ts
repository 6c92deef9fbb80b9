/**
 * The fuzz of everything that reads heartbeats. As a program, for as long as you like:
 *
 *     npm run fuzz [<cases> [<seed>]]
 */
import fc from 'fast-check';
import { checkCase, fuzzCases, type Outcomes, PoisonedLane } from './heartbeats.ts';

/** Of a long run, each with a seed of its own, so that what fails is found again within seconds. */
const CASES_PER_ROUND = 10_000;
const DEFAULT_CASES = 100_000;

/**
 * @param seed of the cases; without one, that of all properties
 * @throws with the seed and the least case that fails
 */
export function fuzz(cases: number, seed?: number): Outcomes {
  const outcomes: Outcomes = { read: 0, refusedByMain: 0, refusedByLane: 0 };
  const lane = new PoisonedLane();
  fc.assert(
    fc.property(fuzzCases, (fuzzCase) => {
      checkCase(fuzzCase, outcomes);
      lane.check(fuzzCase.bytes);
    }),
    { numRuns: cases, ...(seed === undefined ? {} : { seed }) },
  );
  return outcomes;
}

function main(cases: number, firstSeed: number): void {
  const startedMs = performance.now();
  for (let done = 0, round = 0; done < cases; round++) {
    const now = Math.min(CASES_PER_ROUND, cases - done);
    const { read, refusedByMain, refusedByLane } = fuzz(now, firstSeed + round);
    done += now;
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    process.stdout.write(
      `seed ${firstSeed + round}: ${now} cases, ${read} read, ${refusedByMain} refused by main, ` +
        `${refusedByLane} by the lane; ${done} in ${seconds} s\n`,
    );
  }
}

if (import.meta.main) {
  const [cases = DEFAULT_CASES, seed = Date.now() % 2 ** 31] = process.argv.slice(2).map(Number);
  main(cases, seed);
}
