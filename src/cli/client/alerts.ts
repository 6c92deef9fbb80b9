/** `pulselane alerts [id]`: what fires at a running master, and why. */
import type { Command } from 'commander';
import { PulselaneError } from '../../lib/errors.ts';
import type { AlertJson } from '../../model/alert-json.ts';
import { type AlertFlags, addAlertFilters, alertParameters } from '../alert-query.ts';
import { examples } from '../help-text.ts';
import { checkNames } from '../known-names.ts';
import { printAnswer } from '../output/answer.ts';
import { LIST_FORMATS } from '../output/format.ts';
import { ALERT_FIELDS, type AlertPage, alertOf, alertPageOf, flatAlert } from '../views/alert-items.ts';
import { alertDetails, alertsText } from '../views/alerts-text.ts';
import { alertsTestCommand } from './alerts-test.ts';
import type { ApiClient, QueryPairs } from './api.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';

const DEFAULT_LIMIT = 100;
/** Held in memory until all are there. */
const MAX_LIMIT = 100_000;
const PAGE_ALERTS = 1000;

interface Flags extends AlertFlags {
  readonly limit?: string;
}

export function alertsCommand(environment: ClientEnvironment): Command {
  const { streams, clock } = environment;
  const command = addAlertFilters(
    clientCommand('alerts', 'show what fires at a running master, and why', LIST_FORMATS)
      .argument('[id]', 'with everything that is known of it: an alert by its id, or the alerts of a worker')
      .option('--all', 'also those that were resolved recently')
      .option('--state <states>', 'only those in these states, separated by commas: firing, pending, resolved'),
  ).option('--limit <n>', `at most so many (default: ${DEFAULT_LIMIT})`);
  command.addCommand(alertsTestCommand(environment));
  command.addHelpText(
    'after',
    examples(
      'pulselane alerts',
      'pulselane alerts worker-1',
      `pulselane alerts --severity page --filter 'worker=~"rack-7-.*"'`,
      'pulselane alerts --all -o json',
      'pulselane alerts test hook',
    ),
  );
  return command.action(async (id: string | undefined) => {
    const flags = command.opts<Flags>();
    const limit = limitOf(flags.limit);
    const { limit: _, ...filters } = flags;
    const api = apiClientOf(command, clock);
    const one = id === undefined ? undefined : await api.alert(id);
    if (one !== undefined) {
      const alert = alertOf(one);
      const text = (page: Parameters<typeof alertDetails>[2]) => alertDetails([alert], one.atUnixMs, page);
      printAnswer({ json: alert, items: [flatAlert(alert)], fields: ALERT_FIELDS, text }, command, streams);
      return;
    }
    // The alerts of a worker that is asked for by name are few: those that are over help to understand it.
    const asked = { ...filters, ...(id === undefined ? {} : { worker: id, all: filters.state === undefined }) };
    const { page: found, nowMs } = await listed(api, alertParameters(asked), limit);
    if (id !== undefined && found.alerts.length === 0) await checkKnown(api, id);
    if (found.alerts.length === 0) await checkNames(api, filters, []);
    const isFiltered = id !== undefined || alertParameters(asked).length > 1;
    const { alerts } = found;
    const text = (page: Parameters<typeof alertDetails>[2]) =>
      id !== undefined && alerts.length > 0
        ? alertDetails(alerts, nowMs, page)
        : alertsText(found, { nowMs, isFiltered }, page);
    const json = { alerts, evaluated_at: found.evaluatedAt, problems: found.problems };
    printAnswer({ json, items: alerts.map(flatAlert), fields: ALERT_FIELDS, text }, command, streams);
  });
}

/** @throws PulselaneError `not_found` if it is neither an alert nor a worker */
async function checkKnown(api: ApiClient, id: string): Promise<void> {
  if ((await api.workerDetail(id)) !== undefined) return;
  throw new PulselaneError('not_found', `no alert has the id ${id}, and no worker is called so`);
}

function limitOf(text = String(DEFAULT_LIMIT)): number {
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new PulselaneError('invalid_argument', `--limit ${text || '""'}: expected a whole number, 1 to ${MAX_LIMIT}`);
}

/** Page by page. */
export async function listed(
  api: Pick<ApiClient, 'alerts'>,
  parameters: QueryPairs,
  limit: number,
): Promise<{ readonly page: AlertPage; readonly nowMs: number }> {
  const alerts: AlertJson[] = [];
  let cursor: string | null = null;
  for (;;) {
    const most = String(Math.min(PAGE_ALERTS, limit - alerts.length));
    const where: QueryPairs = cursor === null ? [] : [['cursor', cursor]];
    const answer = await api.alerts([...parameters, ['limit', most], ...where]);
    const page = alertPageOf(answer);
    alerts.push(...page.alerts);
    cursor = page.nextCursor;
    if (cursor === null || alerts.length >= limit) return { page: { ...page, alerts }, nowMs: answer.atUnixMs };
  }
}
