/** Parses text that may be JSON. */

/** The parsed value; undefined, which JSON cannot express, if it is not JSON. */
export function jsonIn(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
