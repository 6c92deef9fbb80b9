/** `pulselane workers [prefix]`: the workers of a running master. */
import type { Command } from 'commander';
import { examples } from '../help-text.ts';
import { printAnswer } from '../output/answer.ts';
import { SHOW_FORMATS } from '../output/format.ts';
import { wrapLines } from '../text/wrap.ts';
import { pendingRowsOf, workerRowsOf, workerRowsOfList } from '../views/from-api.ts';
import { beginningWith } from '../views/views.ts';
import { pendingText, workersText } from '../views/workers-text.ts';
import type { ApiClient } from './api.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';

export function workersCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand('workers', 'list the workers of a running master', SHOW_FORMATS).argument(
    '[prefix]',
    'only those whose ids begin so',
    '',
  );
  command.addHelpText(
    'after',
    examples(
      'pulselane workers',
      'pulselane workers web-',
      'pulselane workers --url http://10.0.0.5:8080 -o json',
      'pulselane workers --token-file my.token',
    ),
  );
  return command.action(async (prefix: string) => {
    const api = apiClientOf(command, clock);
    const text = await workersTable(api, prefix);
    const json = entriesBeginningWith(prefix, (await api.workers()).body);
    printAnswer({ json, text: (page) => wrapLines(text, page.columns) }, command, streams);
  });
}

/** Of the legacy map by id. */
function entriesBeginningWith(prefix: string, body: unknown): unknown {
  if (prefix === '' || typeof body !== 'object' || body === null) return body;
  return Object.fromEntries(Object.entries(body).filter(([workerId]) => workerId.startsWith(prefix)));
}

/** With states and those who wait, if the master tells of them; a legacy one does not. */
async function workersTable(api: ApiClient, prefix: string): Promise<string> {
  const pages = await api.listWorkers(prefix);
  if (pages === undefined) return workersText(beginningWith(prefix, workerRowsOf(await api.telemetry())), prefix);
  const pending = await api.pending();
  const waiting = pending === undefined ? [] : beginningWith(prefix, pendingRowsOf(pending));
  return workersText(workerRowsOfList(pages), prefix) + pendingText(waiting);
}
