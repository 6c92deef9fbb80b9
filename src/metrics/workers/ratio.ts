/** Usages are percentages in heartbeats and ratios in metrics. */

const MILLION = 1e6;
/** With 15 digits at most, a double stands for one decimal. */
const MAX_EXACT = 1e15 - 1;

/**
 * The double nearest to the decimal `percent`, its point moved by two places: 0.7 becomes 0.007. A division would give
 * 0.006999999999999999, since 0.7 has no exact double.
 */
export function ratioOf(percent: number): number {
  const millionths = Math.round(percent * MILLION);
  // A decimal of six places at most: both numbers are exact, so one division is, too, as near as a double can be.
  if (Math.abs(millionths) <= MAX_EXACT && millionths / MILLION === percent) return millionths / (100 * MILLION);
  const text = String(percent);
  const exponentAt = text.indexOf('e');
  if (exponentAt === -1) return Number(`${text}e-2`);
  return Number(`${text.slice(0, exponentAt)}e${Number(text.slice(exponentAt + 1)) - 2}`);
}
