/** Usages are percentages in heartbeats and ratios in metrics. */

/**
 * The double nearest to the decimal `percent`, its point moved by two places: 0.7 becomes 0.007. A division would give
 * 0.006999999999999999, since 0.7 has no exact double.
 */
export function ratioOf(percent: number): number {
  const text = String(percent);
  const exponentAt = text.indexOf('e');
  if (exponentAt === -1) return Number(`${text}e-2`);
  return Number(`${text.slice(0, exponentAt)}e${Number(text.slice(exponentAt + 1)) - 2}`);
}
