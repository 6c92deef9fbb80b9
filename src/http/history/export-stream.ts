/**
 * An export as the body of a response: a step of it is asked for when the client has taken the last one, so that an export of any
 * size holds one piece. A client that goes is served no further. If a step fails for good, the connection is broken, since a part
 * must not look like the whole; what could not be read, and what the database still lacks, is named in a trailer.
 */
import type { ServerResponse } from 'node:http';
import type { ExportFormat } from '../../history/export/export-request.ts';
import { type ExportPlan, exportStart, ROWS_WANTED } from '../../history/export/export-tasks.ts';
import type { RowGroupNote } from '../../history/export/parquet-rows.ts';
import { SliceWalk } from '../../history/export/slice-walk.ts';
import type { Gap } from '../../history/samples.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { EXPORT_RETRY_MS, EXPORT_TRIES } from '../http-limits.ts';
import type { HttpLog } from '../messages.ts';
import type { HistoryPool } from './pool.ts';
import { isRefused } from './refusals.ts';
import type { HistoryAnswers, HistoryTask, Refused } from './tasks.ts';

/** Names what is missing, behind a body that is complete otherwise; absent: nothing. */
export const MISSING_TRAILER = 'Pulselane-Missing';

export interface ExportStreamOptions {
  readonly history: HistoryPool;
  readonly plan: ExportPlan;
  readonly format: ExportFormat;
  readonly outgoing: ServerResponse;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
  /** What the database lacks of the range, in words; undefined: nothing. */
  readonly lacking: string | undefined;
  readonly clock: Clock;
  readonly log: HttpLog;
}

/** Never rejects. The head of the response is written already. */
export async function streamExport(options: ExportStreamOptions): Promise<void> {
  const { outgoing, signal, lacking, log } = options;
  try {
    const damaged = await sendPieces(options);
    const missing = [...(lacking === undefined ? [] : [lacking]), ...damagedText(damaged)].join('; ');
    // Of other characters a header can hold none.
    if (missing !== '') outgoing.addTrailers({ [MISSING_TRAILER]: missing.replaceAll(/[^\x20-\x7e]/g, '?') });
    outgoing.end();
  } catch (error) {
    if (!signal.aborted) log('warn', `an export ended early: ${messageOf(error)}`);
    outgoing.destroy();
  }
}

/** @returns what could not be read */
async function sendPieces(options: ExportStreamOptions): Promise<readonly Gap[]> {
  const { plan, format, outgoing, signal } = options;
  const walk = new SliceWalk({ ...plan, rowsWanted: ROWS_WANTED[format] });
  const groups: RowGroupNote[] = [];
  const damaged: Gap[] = [];
  let offset = 0;
  const send = async (bytes: Uint8Array) => {
    offset += bytes.length;
    if (bytes.length > 0 && !outgoing.write(bytes)) await drained(outgoing, signal);
  };
  await send(exportStart(format));
  for (let slice = walk.next(); slice !== undefined; slice = walk.next()) {
    const piece = await step<'exportPiece'>({ type: 'exportPiece', piece: { slice, format, offset } }, options);
    if ('isTooMany' in piece) {
      walk.divide(slice);
      continue;
    }
    walk.had(piece.rows);
    damaged.push(...piece.damaged);
    if (piece.group !== undefined) groups.push(piece.group);
    await send(piece.bytes);
  }
  const { bytes } = await step<'exportEnd'>({ type: 'exportEnd', format, groups, offset }, options);
  await send(bytes);
  return damaged;
}

/** @throws the last error, if all tries fail */
async function step<Type extends 'exportPiece' | 'exportEnd'>(
  task: Extract<HistoryTask, { type: Type }>,
  { history, signal, clock }: ExportStreamOptions,
): Promise<HistoryAnswers[Type]> {
  for (let tries = 1; ; tries += 1) {
    try {
      const answer = await history.ask<HistoryAnswers[Type] | Refused>(task, { signal });
      if (!isRefused(answer)) return answer;
      throw new PulselaneError(answer.refused.code, answer.refused.message);
    } catch (error) {
      if (tries >= EXPORT_TRIES || signal.aborted) throw error;
      await sleep(clock, EXPORT_RETRY_MS);
    }
  }
}

/** Resolves when the client has taken what was written. @throws if it has gone */
function drained(outgoing: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      outgoing.off('drain', settle);
      signal.removeEventListener('abort', settle);
      if (signal.aborted) reject(new Error('the client has gone'));
      else resolve();
    };
    outgoing.once('drain', settle);
    signal.addEventListener('abort', settle);
    if (signal.aborted) settle();
  });
}

/** Where each begins; of many, the first. */
function damagedText(damaged: readonly Gap[]): string[] {
  const [first] = damaged;
  if (first === undefined) return [];
  const from = new Date(first.fromMs).toISOString();
  const where = `${first.workerId === undefined ? '' : `worker ${first.workerId}, `}from ${from}`;
  return [`${damaged.length} damaged ${damaged.length === 1 ? 'part' : 'parts'} of the database (the first: ${where})`];
}
