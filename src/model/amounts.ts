/** Numbers of heartbeats that count something: usages, sizes, times. */

/** One comparison for the normal case: false for NaN, for infinity and for anything negative. */
export function isAmount(value: number): boolean {
  return value >= 0 && value < Number.POSITIVE_INFINITY;
}

/** What is wrong with it, naming the field; undefined if nothing is. */
export function amountProblem(path: string, value: number): string | undefined {
  return isAmount(value) ? undefined : `${path} is ${value}, expected a finite number that is not negative`;
}
