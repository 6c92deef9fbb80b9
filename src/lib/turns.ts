/** Divides long work over several turns of the event loop, so that the thread stays responsive. */
import { setImmediate } from 'node:timers/promises';

/** Each limit is one or two milliseconds of work. */
const ITEMS_PER_TURN = 100;
const UNITS_PER_TURN = 128 * 1024;

/** Joins the texts of `items` to larger ones. In each turn, a few items are taken and converted. */
export async function* textsInTurns<T>(items: Iterable<T>, textOf: (item: T) => string): AsyncGenerator<string> {
  let texts: string[] = [];
  let units = 0;
  for (const item of items) {
    const text = textOf(item);
    texts.push(text);
    units += text.length;
    if (texts.length < ITEMS_PER_TURN && units < UNITS_PER_TURN) continue;
    yield texts.join('');
    texts = [];
    units = 0;
    await setImmediate();
  }
  if (texts.length > 0) yield texts.join('');
}
