/** Long work on a thread that must stay awake, a turn of the event loop at a time. */
import { setImmediate } from 'node:timers/promises';

/** Either is a millisecond's work or two. */
const ITEMS_PER_TURN = 100;
const UNITS_PER_TURN = 128 * 1024;

/** The texts of `items`, joined to larger ones. Items are taken, and their texts made, a few in each turn. */
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
