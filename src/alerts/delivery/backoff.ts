/** When a failed delivery is tried again. Pure. */

/**
 * @param attempts that failed, at least one
 * @param random from 0 to 1: up to a half less, so that receivers that were away are not met by all at once
 */
export function backoffMs(attempts: number, firstMs: number, maxMs: number, random: number): number {
  const ms = Math.min(maxMs, firstMs * 2 ** Math.min(attempts - 1, 30));
  return ms * (1 - random / 2);
}
