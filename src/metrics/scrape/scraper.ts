/** What one answer of `GET /metrics` contains, and its bytes. Runs in the metrics thread. */
import type { Clock } from '../../lib/clock.ts';
import type { Directory } from '../../reading/directory.ts';
import { groupOf } from '../../reading/values.ts';
import { exposition } from '../exposition/exposition.ts';
import type { Format, FormatKey } from '../exposition/format.ts';
import type { FamilyWithSeries } from '../family.ts';
import { masterFamilies } from '../master/families.ts';
import type { ProcessMetrics } from '../master/process-metrics.ts';
import type { LabelFilter } from '../workers/info-labels.ts';
import type { Block } from './block.ts';
import type { Collection } from './collections.ts';
import { type FamilyPiece, Flavour } from './flavour.ts';
import { compressedPart, gzipMember, joined } from './gzip-parts.ts';
import { scrapeFamilies } from './scrape-families.ts';
import { LEAST_SEGMENT_BYTES, MAX_FLAVOURS, NAMED } from './scrape-limits.ts';
import { WorkerValues } from './worker-values.ts';

export interface ScrapeRequest {
  readonly format: Format;
  readonly collections: readonly Collection[];
  /** Only these workers; undefined: all. Unknown ones have no series. */
  readonly workers?: readonly string[] | undefined;
  /** Only workers of these groups. */
  readonly groups?: readonly string[] | undefined;
  readonly gzip: boolean;
}

/** Of one answer. */
export interface ScrapeFigures {
  /** Series of workers in it. */
  readonly series: number;
  /** The text, before compression. */
  readonly bytes: number;
  /** How long this thread worked on it. */
  readonly tookMs: number;
  /** Workers read meanwhile: those that had changed since they were last read. */
  readonly workersRead: number;
  /** Workers read ahead of it, since the last answer. */
  readonly readAhead: number;
  /** How long this thread worked ahead of it, since the last answer. */
  readonly aheadMs: number;
  /** What METRICS_MAX_SERIES left out. */
  readonly cutSeries: number;
  /** The first few of these families, or `custom` and `gpu` for all of theirs. */
  readonly cutFamilies: readonly string[];
  /** Custom metrics that have no series: names that become the same, are too long, or too many (of one worker, or of all). */
  readonly collisions: number;
  readonly collidedNames: readonly string[];
  readonly leftOut: number;
  readonly leftOutNames: readonly string[];
  /** Workers whose record could not be read: what comes of it is as it was before. */
  readonly unreadable: number;
}

export interface ScrapeAnswer {
  /** Ready to be sent. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly isGzip: boolean;
  readonly figures: ScrapeFigures;
}

export interface ScraperOptions {
  readonly directory: Directory;
  readonly clock: Clock;
  /** Undefined: nothing of the process is shown. */
  readonly process?: ProcessMetrics;
  readonly isAllowed: LabelFilter;
  readonly maxSeries: number;
  /** Default: MAX_CUSTOM_FAMILIES. */
  readonly maxCustomFamilies?: number;
  /** Smaller answers are not compressed. */
  readonly minGzipBytes: number;
}

/** A part of an answer; with the block that it was made of, if that is kept. */
interface Part {
  readonly plain: readonly Uint8Array[];
  readonly block?: Block;
}

export class Scraper {
  readonly #options: ScraperOptions;
  #values: WorkerValues | undefined;
  /** The one that was used last comes last. */
  readonly #flavours = new Map<FormatKey, Flavour>();
  readonly #compressed = new WeakMap<Block, Uint8Array>();
  #readAhead = 0;
  #aheadMs = 0;

  constructor(options: ScraperOptions) {
    this.#options = options;
  }

  /** Drops what is kept for the next scrape. */
  forget(): void {
    this.#values = undefined;
    this.#flavours.clear();
  }

  /**
   * Makes the text of a request that was answered before, as far as it can be known now. Each step takes a moment; it may be
   * left at any step. Compresses nothing: a block in which anything changes after that is compressed anew.
   */
  *ahead(request: Pick<ScrapeRequest, 'format' | 'collections'>): Generator<void> {
    const { clock } = this.#options;
    const values = this.#values;
    const flavour = this.#flavours.get(request.format.key);
    if (values === undefined || flavour === undefined) return;
    const steps = this.#stepsAhead(request, values, flavour);
    for (;;) {
      const beganMs = clock.monotonicMs();
      const { done } = steps.next();
      this.#aheadMs += clock.monotonicMs() - beganMs;
      if (done === true) return;
      yield;
    }
  }

  *#stepsAhead(
    request: Pick<ScrapeRequest, 'format' | 'collections'>,
    values: WorkerValues,
    flavour: Flavour,
  ): Generator<void> {
    for (const read of values.lookAhead()) {
      this.#readAhead += read;
      yield;
    }
    for (const piece of this.#fitted(wanted(flavour.pieces(), request), request, values).kept) {
      piece.block();
      yield;
    }
  }

  scrape(request: ScrapeRequest): ScrapeAnswer {
    const { clock, minGzipBytes } = this.#options;
    const beganMs = clock.monotonicMs();
    this.#values ??= new WorkerValues(this.#options);
    const values = this.#values;
    const workersRead = values.look();
    const flavour = this.#flavour(request.format, values);
    const isWhole = request.workers === undefined && request.groups === undefined;
    const all = isWhole ? flavour.pieces() : flavour.piecesOf(this.#rowsOf(request, values));
    const { kept, cutSeries, cutFamilies } = this.#fitted(wanted(all, request), request, values);
    const series = kept.reduce((sum, piece) => sum + piece.series, 0);
    const collisions = flavour.collisions(NAMED);
    const leftOut = values.leftOut();
    const counts = {
      series,
      workersRead,
      readAhead: this.#readAhead,
      aheadMs: this.#aheadMs,
      cutSeries,
      cutFamilies: cutFamilies.slice(0, NAMED),
      collisions: collisions.series,
      collidedNames: collisions.names,
      leftOut: leftOut.count,
      leftOutNames: leftOut.names,
      unreadable: values.unreadable,
    };
    this.#readAhead = 0;
    this.#aheadMs = 0;
    const parts = kept.map((piece) => partOf(piece, flavour, isWhole));
    if (request.collections.includes('master')) {
      parts.unshift(this.#own([...masterFamilies(this.#options), ...scrapeFamilies(counts)], request.format));
    }
    parts.push({ plain: [flavour.lines.end] });
    const plain = parts.flatMap((part) => part.plain);
    const bytes = plain.reduce((sum, { length }) => sum + length, 0);
    const isGzip = request.gzip && bytes >= minGzipBytes;
    const body = isGzip ? gzipMember(this.#compress(parts), plain) : joined(plain);
    return { bytes: body, isGzip, figures: { ...counts, bytes, tookMs: clock.monotonicMs() - beganMs } };
  }

  #flavour(format: Format, values: WorkerValues): Flavour {
    const flavour = this.#flavours.get(format.key) ?? new Flavour(format, values);
    this.#flavours.delete(format.key);
    this.#flavours.set(format.key, flavour);
    for (const key of this.#flavours.keys()) {
      if (this.#flavours.size > MAX_FLAVOURS) this.#flavours.delete(key);
    }
    return flavour;
  }

  #rowsOf({ workers, groups }: ScrapeRequest, values: WorkerValues): number[] {
    const { directory } = this.#options;
    const isWanted = (row: number) => {
      const entry = directory.rows[row];
      return entry !== undefined && (groups === undefined || groups.includes(groupOf(entry)));
    };
    if (workers === undefined) return [...values.rows()].filter(isWanted);
    const rows = new Set(workers.flatMap((id) => directory.get(id)?.row ?? []));
    const isSeen = (row: number) => values.workerIn(row) !== undefined && isWanted(row);
    return [...rows].filter(isSeen).sort((one, other) => one - other);
  }

  /**
   * The families that fit into METRICS_MAX_SERIES, each whole: first those that any worker has, in their order, then custom ones, those
   * of most workers first. From the first one that does not fit, all are left out.
   */
  #fitted(
    pieces: readonly FamilyPiece[],
    { collections }: Pick<ScrapeRequest, 'collections'>,
    { overBudget }: WorkerValues,
  ) {
    const fixed = pieces.filter(({ collection }) => collection !== 'custom');
    const custom = pieces.filter(({ collection }) => collection === 'custom');
    // Sorting is stable, so equal ones stay in the order of their names.
    const byImportance = [...fixed, ...custom.sort((one, other) => other.series - one.series)];
    const cutFamilies: string[] = [];
    let cutSeries = 0;
    for (const collection of ['custom', 'gpu'] as const) {
      if (overBudget[collection] === 0 || !collections.includes(collection)) continue;
      cutFamilies.push(collection);
      cutSeries += overBudget[collection];
    }
    let room = this.#options.maxSeries;
    const cut = new Set<FamilyPiece>();
    for (const piece of byImportance) {
      if (cut.size === 0 && piece.series <= room) {
        room -= piece.series;
        continue;
      }
      cut.add(piece);
      cutFamilies.push(piece.name);
      cutSeries += piece.series;
    }
    return { kept: pieces.filter((piece) => !cut.has(piece)), cutSeries, cutFamilies };
  }

  #own(families: readonly FamilyWithSeries[], format: Format): Part {
    // The end of the text comes behind the workers.
    const { end } = (this.#flavours.get(format.key) as Flavour).lines;
    const bytes = exposition(families, format);
    return { plain: [bytes.subarray(0, bytes.length - end.length)] };
  }

  /** Large blocks by themselves, so that their compressed form can be kept; what lies between them together. */
  #compress(parts: readonly Part[]): Uint8Array[] {
    const compressed: Uint8Array[] = [];
    let waiting: Uint8Array[] = [];
    const flush = () => {
      if (waiting.length > 0) compressed.push(compressedPart(joined(waiting)));
      waiting = [];
    };
    for (const { plain, block } of parts) {
      if (block === undefined || block.bytes.length < LEAST_SEGMENT_BYTES) {
        waiting.push(...plain);
        continue;
      }
      flush();
      const known = this.#compressed.get(block) ?? compressedPart(joined(plain));
      this.#compressed.set(block, known);
      compressed.push(known);
    }
    flush();
    return compressed;
  }
}

function wanted(pieces: readonly FamilyPiece[], { collections }: Pick<ScrapeRequest, 'collections'>): FamilyPiece[] {
  return pieces.filter(({ collection }) => collections.includes(collection));
}

function partOf(piece: FamilyPiece, { lines }: Flavour, isKept: boolean): Part {
  const block = piece.block();
  const { before, behind } = lines.around(piece.family, block.bytes.length);
  return { plain: [before, block.bytes, behind], ...(isKept ? { block } : {}) };
}
