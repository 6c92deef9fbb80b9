/**
 * Finds the worker that ends lanes when nothing tells which one does: the workers of the lane are spread over two, and of
 * the lane that fails again, half go to the other one, until one is left. A pure function of who was on which lane: nobody
 * is charged on the way. Of n workers one is found in ⌈log₂ n⌉ + 1 failures.
 */

export type HalvingStep<W> =
  /** These go to the other lane. Cleared are those that cannot be it: they were elsewhere when a lane failed. */
  | { readonly move: readonly W[]; readonly cleared: ReadonlySet<W> }
  /** It is this one; undefined: it can be none, something else ends lanes, or more than one worker does. */
  | { readonly found: W | undefined };

/** @param failed the workers of the lane that failed  @param other those of the other one */
export function nextHalvingStep<W>(failed: Iterable<W>, other: Iterable<W>, cleared: ReadonlySet<W>): HalvingStep<W> {
  const suspects = [...failed].filter((worker) => !cleared.has(worker));
  if (suspects.length <= 1) return { found: suspects[0] };
  const move = suspects.slice(0, Math.floor(suspects.length / 2));
  return { move, cleared: new Set([...cleared, ...other]) };
}
