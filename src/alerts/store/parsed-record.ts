/** A record that cannot be read is left out, and counted by the caller: the others are worth more than the error. */
export function parsedRecord<T extends object>(parse: () => T): T | undefined {
  try {
    return parse() ?? undefined;
  } catch {
    return undefined;
  }
}
