/** What a value is, for people. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'undefined';
  return value === null ? 'null' : `a ${typeof value}`;
}
