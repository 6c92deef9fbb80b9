/** How often a test repeats what it repeats: a few times in `npm test`, the full number in `npm run test:long`. */

/** Whether `npm run test:long` runs. */
export const IS_LONG_RUN = process.env.TEST_LONG === '1';

/** @returns `short` in `npm test`, `long` in `npm run test:long` */
export function repetitions(short: number, long: number): number {
  return IS_LONG_RUN ? long : short;
}
