/** Names the type of a value, for error messages. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'undefined';
  return value === null ? 'null' : `a ${typeof value}`;
}
