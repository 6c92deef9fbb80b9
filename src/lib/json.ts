/** Text that may be JSON. */

/** What it says; undefined, which JSON cannot say, if it is not JSON. */
export function jsonIn(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
