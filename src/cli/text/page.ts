/** What a text for people is laid out for. */
import { type Paint, plain } from './paint.ts';

export interface Page {
  /** No line is wider; infinite where no terminal reads. */
  readonly columns: number;
  /** Everything is shown, whatever room it takes: what does not fit beside one another is stacked. */
  readonly isWide: boolean;
  readonly paint: Paint;
  /** Whether nothing but ASCII is shown; by default it is not so. */
  readonly isAscii?: boolean;
}

/** As wide as its lines, without colours. */
export const ENDLESS_PAGE: Page = { columns: Number.POSITIVE_INFINITY, isWide: false, paint: plain };

/** A page in a terminal of that width, without colours. */
export function plainPage(columns: number): Page {
  return { ...ENDLESS_PAGE, columns };
}

/** A page with a margin of so many columns. */
export function inset(page: Page, columns: number): Page {
  return { ...page, columns: Math.max(1, page.columns - columns) };
}
