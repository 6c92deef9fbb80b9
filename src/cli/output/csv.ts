/** Lists as CSV (RFC 4180, UTF-8, line feeds), made for spreadsheets. */
import { stringify } from 'csv-stringify/sync';

/** A thing in a list, in whichever format. Members that were never received are null. */
export type Item = Readonly<Record<string, unknown>>;

/**
 * A line of names, then one for each item; what is null or missing is empty, and what is an object is JSON.
 *
 * Ids, labels and reasons come from workers, and a spreadsheet takes a text that begins with `=`, `+`, `-` or `@` for a
 * formula: such a text gets an apostrophe in front. Numbers stay numbers.
 */
export function csvText(fields: readonly string[], items: readonly Item[]): string {
  return stringify([...items], {
    header: true,
    columns: [...fields],
    escape_formulas: true,
    cast: { boolean: String },
  });
}
