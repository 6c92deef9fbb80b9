/** The pieces of an export, each made when it is asked for. */
import type { ExportFormat } from '../../history/export/export-request.ts';
import { type ExportPlan, exportStart, ROWS_WANTED } from '../../history/export/export-tasks.ts';
import type { RowGroupNote } from '../../history/export/parquet-rows.ts';
import { SliceWalk } from '../../history/export/slice-walk.ts';
import type { Gap } from '../../history/samples.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import type { HistoryStatus } from '../../model/history-status.ts';
import { EXPORT_RETRY_MS, EXPORT_TRIES } from '../http-limits.ts';
import type { HistoryPool } from './pool.ts';
import { isRefused } from './refusals.ts';
import type { HistoryAnswers, HistoryTask, Refused } from './tasks.ts';

export interface ExportPiecesOptions {
  readonly history: HistoryPool;
  readonly plan: ExportPlan;
  readonly format: ExportFormat;
  /** Aborted when nobody wants the rest. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * @returns the parts of the database that could not be read
 * @throws PulselaneError if the rest cannot be made
 */
export async function* exportPieces(options: ExportPiecesOptions): AsyncGenerator<Uint8Array, readonly Gap[]> {
  const { plan, format } = options;
  const walk = new SliceWalk({ ...plan, rowsWanted: ROWS_WANTED[format] });
  const groups: RowGroupNote[] = [];
  const damaged: Gap[] = [];
  const start = exportStart(format);
  let offset = start.length;
  if (offset > 0) yield start;
  for (let slice = walk.next(); slice !== undefined; slice = walk.next()) {
    const piece = await step<'exportPiece'>({ type: 'exportPiece', piece: { slice, format, offset } }, options);
    if ('isTooMany' in piece) {
      walk.divide(slice);
      continue;
    }
    walk.had(piece.rows);
    damaged.push(...piece.damaged);
    if (piece.group !== undefined) groups.push(piece.group);
    offset += piece.bytes.length;
    if (piece.bytes.length > 0) yield piece.bytes;
  }
  const { bytes } = await step<'exportEnd'>({ type: 'exportEnd', format, groups, offset }, options);
  if (bytes.length > 0) yield bytes;
  return damaged;
}

/** @throws the last error, if all tries fail, or if another cannot help */
async function step<Type extends 'exportPiece' | 'exportEnd'>(
  task: Extract<HistoryTask, { type: Type }>,
  { history, signal, clock }: ExportPiecesOptions,
): Promise<HistoryAnswers[Type]> {
  for (let tries = 1; ; tries += 1) {
    try {
      const answer = await history.ask<HistoryAnswers[Type] | Refused>(task, { signal });
      if (!isRefused(answer)) return answer;
      throw new PulselaneError(answer.refused.code, answer.refused.message);
    } catch (error) {
      if (tries >= EXPORT_TRIES || signal.aborted || history.isStopped || !canPass(error)) throw error;
      await sleep(clock, EXPORT_RETRY_MS);
    }
  }
}

/** A thread that died, or a database that is away; what is wrong with the question stays so. */
function canPass(error: unknown): boolean {
  return error instanceof PulselaneError && (error.code === 'unavailable' || error.code === 'resource_exhausted');
}

/** Where each begins; of many, the first. */
export function damagedText(damaged: readonly Gap[]): string[] {
  const [first] = damaged;
  if (first === undefined) return [];
  const from = new Date(first.fromMs).toISOString();
  const where = `${first.workerId === undefined ? '' : `worker ${first.workerId}, `}from ${from}`;
  return [`${damaged.length} damaged ${damaged.length === 1 ? 'part' : 'parts'} of the database (the first: ${where})`];
}

/** In words for people, if the range goes beyond what is stored. */
export function lackingText(status: HistoryStatus | undefined, toMs: number): string | undefined {
  if (status === undefined || status.state === 'ok') return undefined;
  const { durableUntilUnixMs: durableMs, problem: why } = status;
  if (durableMs !== null && toMs <= durableMs) return undefined;
  const reason = why === null ? 'the database has not answered yet' : why.detail;
  const since = durableMs === null ? 'since the start of the master' : `after ${new Date(durableMs).toISOString()}`;
  return `what came in ${since} is not in the database yet: ${reason}`;
}
