/** Writes one page of the worker list as JSON text. Runs in the HTTP thread and in pool threads. */
import { type Directory, readWhileThere, type WorkerEntry } from '../../reading/directory.ts';
import { fieldsOf } from '../../reading/fields.ts';
import { ParsedRecord } from '../../reading/parsed-record.ts';
import { type Criteria, selectionBy } from '../../reading/selection.ts';
import { type SortPosition, sortOf } from '../../reading/sort.ts';
import { TopK } from '../../reading/top-k.ts';
import type { JsonText } from '../bodies/json-text.ts';
import { MAX_PAGE_BYTES } from '../http-limits.ts';
import { cursorOf } from './cursor.ts';
import { putItem } from './item.ts';

/** A validated request, as plain data that can be sent to another thread. */
export interface PageRequest {
  readonly criteria: Criteria;
  readonly sort: string | undefined;
  readonly fields: string | undefined;
  /** The page starts after this position. */
  readonly after: SortPosition | undefined;
  readonly limit: number;
  /** Part of the answer: the page is at least as new. */
  readonly revision: string;
}

interface Candidate extends SortPosition {
  readonly entry: WorkerEntry;
}

/**
 * Writes the page.
 * @returns the cursor of the next page; null if this is the last
 */
export function writePage(text: JsonText, directory: Directory, request: PageRequest): string | null {
  const selection = selectionBy(request.criteria);
  const sort = sortOf(request.sort);
  const { limit, after } = request;
  // One more worker than is shown tells whether there is a next page.
  const first = new TopK<Candidate>(limit + 1, sort.compare);
  let total = 0;
  for (const entry of directory.all()) {
    const candidate = readWhileThere(directory.board, entry, (): Candidate | undefined => {
      const reading = new ParsedRecord(entry);
      if (!selection.matches(entry, directory, reading)) return undefined;
      return { ...sort.positionOf(entry, directory, reading), entry };
    });
    if (candidate === undefined) continue;
    total++;
    if (after === undefined || sort.compare(candidate, after) > 0) first.add(candidate);
  }

  const candidates = first.sorted();
  const fields = fieldsOf(request.fields);
  const begin = text.ascii('{"workers":[').length;
  let shown = 0;
  while (shown < Math.min(limit, candidates.length) && text.length - begin < MAX_PAGE_BYTES) {
    const before = text.length;
    if (before > begin) text.ascii(',');
    const isThere = putItem(text, (candidates[shown] as Candidate).entry, directory, fields);
    if (!isThere) text.cutTo(before);
    shown++;
  }
  const last = candidates[shown - 1];
  const next = last === undefined || shown === candidates.length ? null : cursorOf(last, sort, selection);
  text.ascii(
    `],"total":${total},"next_cursor":${JSON.stringify(next)},"revision":${JSON.stringify(request.revision)}}`,
  );
  return next;
}
