/** Amounts in heartbeats: usages, sizes, times. */

/** One comparison in the normal case; false for NaN, infinity and negative numbers. */
export function isAmount(value: number): boolean {
  return value >= 0 && value < Number.POSITIVE_INFINITY;
}

/** What is wrong with the amount, naming the field; undefined if it is valid. */
export function amountProblem(path: string, value: number): string | undefined {
  return isAmount(value) ? undefined : `${path} is ${value}, expected a finite number that is not negative`;
}
