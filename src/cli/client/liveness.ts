/** `pulselane liveness [prefix]`: since when each worker is in its state and why, as `workers liveness` at the prompt. */
import type { Command } from 'commander';
import { PulselaneError } from '../../lib/errors.ts';
import { examples } from '../help-text.ts';
import { printAnswer } from '../output/answer.ts';
import { LIST_FORMATS } from '../output/format.ts';
import { holdsOf } from '../views/from-api.ts';
import { holdsBelow } from '../views/holds-text.ts';
import { LIVENESS_FIELDS, livenessItemsOf, rowOfLivenessItem } from '../views/worker-items.ts';
import { livenessText } from '../views/workers-text.ts';
import { addQueryOptions, queryOfFlags } from '../worker-query.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';

export function livenessCommand({ streams, clock }: ClientEnvironment): Command {
  const command = addQueryOptions(
    clientCommand(
      'liveness',
      'show the state of the workers of a running master: since when and why, interval, clock, what is missing',
      LIST_FORMATS,
    ).argument('[prefix]', 'only workers whose ids begin so', ''),
  );
  command.addHelpText(
    'after',
    examples(
      'pulselane liveness',
      'pulselane liveness web- -o csv',
      'pulselane liveness --state inactive --sort -missed --limit 10',
    ),
  );
  return command.action(async (prefix: string) => {
    const { filters, sort, limit } = queryOfFlags(command.opts(), prefix);
    const isFiltered = Object.keys(filters).some((name) => name !== 'prefix');
    const api = apiClientOf(command, clock);
    const fields = LIVENESS_FIELDS.filter((name) => name !== 'worker_id').join(',');
    const pages = await api.listWorkers({ fields, ...filters, ...(sort === undefined ? {} : { sort }) }, limit);
    if (pages === undefined) {
      throw new PulselaneError('environment', `the master at ${api.url} has no /api/v1 and does not tell of liveness`);
    }
    const { items, total } = livenessItemsOf(pages);
    const rows = items.map((item) => rowOfLivenessItem(item, pages[0]?.atUnixMs ?? 0));
    const holds = holdsOf(await api.holds());
    const text = (page: Parameters<typeof livenessText>[2]) =>
      livenessText(rows, { prefix, isFiltered, total }, page) + holdsBelow(holds, page);
    printAnswer({ json: { workers: items }, items, fields: LIVENESS_FIELDS, text }, command, streams);
  });
}
