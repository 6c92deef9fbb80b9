/** `pulselane workers [prefix]`: the workers of a running master. */
import type { Command } from 'commander';
import { PulselaneError } from '../../lib/errors.ts';
import { type Holds, NO_HOLDS } from '../../model/holds.ts';
import { examples } from '../help-text.ts';
import { type Answer, printAnswer } from '../output/answer.ts';
import { WIDE_LIST_FORMATS } from '../output/format.ts';
import { holdsOf, type PendingItem, pendingItemsOf, pendingRowOf } from '../views/from-api.ts';
import { holdsBelow } from '../views/holds-text.ts';
import { legacyItemsOf, rowOfItem, WORKER_FIELDS, type WorkerItem, workerItemsOf } from '../views/worker-items.ts';
import { pendingText, type Shown, workersText } from '../views/workers-text.ts';
import { addQueryOptions, queryOfFlags, type WorkerQuery } from '../worker-query.ts';
import type { ApiClient } from './api.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';

export function workersCommand({ streams, clock }: ClientEnvironment): Command {
  const command = addQueryOptions(
    clientCommand('workers', 'list the workers of a running master', WIDE_LIST_FORMATS).argument(
      '[prefix]',
      'only those whose ids begin with this',
    ),
  );
  command.addHelpText(
    'after',
    examples(
      'pulselane workers',
      'pulselane workers web-',
      'pulselane workers --state inactive,unknown --group rack-7',
      'pulselane workers --label zone=a --min cpu_usage=90 --sort -cpu_usage --limit 10',
      'pulselane workers -o csv > workers.csv',
      'pulselane workers --url http://10.0.0.5:8080 -o json',
    ),
  );
  return command.action(async (prefix = '') => {
    const query = queryOfFlags(command.opts(), prefix);
    printAnswer(answerOf(await listed(apiClientOf(command, clock), query, prefix), query, prefix), command, streams);
  });
}

interface Listed {
  readonly items: readonly WorkerItem[];
  /** How many match, listed or not. */
  readonly total: number;
  /** Those that wait for approval; null if the master does not tell, or workers are filtered by more than their ids. */
  readonly pending: readonly PendingItem[] | null;
  readonly holds: Holds;
  readonly atUnixMs: number;
}

/** @throws PulselaneError `environment` if a master that has no filters is asked for some */
async function listed(api: ApiClient, { filters, sort, limit }: WorkerQuery, prefix: string): Promise<Listed> {
  const pages = await api.listWorkers({ ...filters, ...(sort === undefined ? {} : { sort }) }, limit);
  if (pages !== undefined) {
    const pending = isFiltered(filters) ? null : await pendingOf(api, prefix);
    const holds = holdsOf(await api.holds());
    return { ...workerItemsOf(pages), pending, holds, atUnixMs: pages[0]?.atUnixMs ?? 0 };
  }
  if (isFiltered(filters) || sort !== undefined) {
    const what = 'has no /api/v1, so that it neither filters nor sorts: it lists all workers, or those of a prefix';
    throw new PulselaneError('environment', `the master at ${api.url} ${what}`);
  }
  const telemetry = await api.telemetry();
  const matching = legacyItemsOf(telemetry).filter(({ worker_id }) => worker_id.startsWith(prefix));
  const { atUnixMs } = telemetry;
  return { items: matching.slice(0, limit), total: matching.length, pending: null, holds: NO_HOLDS, atUnixMs };
}

async function pendingOf(api: ApiClient, prefix: string): Promise<PendingItem[] | null> {
  const answer = await api.pending();
  return answer === undefined ? null : pendingItemsOf(answer).filter(({ worker_id }) => worker_id.startsWith(prefix));
}

/** By more than the start of ids. */
function isFiltered(filters: WorkerQuery['filters']): boolean {
  return Object.keys(filters).some((name) => name !== 'prefix');
}

function answerOf(
  { items, total, pending, holds, atUnixMs }: Listed,
  { filters }: WorkerQuery,
  prefix: string,
): Answer {
  const rows = items.map((item) => rowOfItem(item, atUnixMs));
  const waiting = (pending ?? []).map((item) => pendingRowOf(item, atUnixMs));
  const shown: Shown = { prefix, total, isFiltered: isFiltered(filters) };
  return {
    json: { workers: items, total, pending },
    items,
    fields: WORKER_FIELDS,
    text: (page) => workersText(rows, shown, page) + pendingText(waiting, page) + holdsBelow(holds, page),
  };
}
