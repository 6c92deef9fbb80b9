/** What a text for people is laid out for. */
import { type Paint, plain } from './paint.ts';

export interface Page {
  /** No line is wider; infinite where no terminal reads. */
  readonly columns: number;
  /** Everything is shown, whatever room it takes: what does not fit beside one another is stacked. */
  readonly isWide: boolean;
  readonly paint: Paint;
}

/** As wide as its lines, without colours. */
export const ENDLESS_PAGE: Page = { columns: Number.POSITIVE_INFINITY, isWide: false, paint: plain };
