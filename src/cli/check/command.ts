/**
 * `pulselane check`: alerts of a running master, for Nagios, Icinga, Zabbix and others that run plugins. Whatever goes wrong is
 * UNKNOWN (3), with a line on stdout that says why: that is what such systems show.
 */
import { Command, CommanderError } from 'commander';
import { addOptions } from '../../config/command-line.ts';
import { clientOptions } from '../../config/options.ts';
import type { Clock } from '../../lib/clock.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { type AlertFlags, addAlertFilters, alertParameters } from '../alert-query.ts';
import { listed } from '../client/alerts.ts';
import type { ApiClient } from '../client/api.ts';
import { apiClientOf, type ClientEnvironment } from '../client/client-command.ts';
import { ExitWith } from '../exit-codes.ts';
import { examples } from '../help-text.ts';
import { checkNames } from '../known-names.ts';
import { rangeIn } from './range.ts';
import { CHECK_CODES, type CheckFacts, type CheckSettings, unknownText, type Verdict, verdictOf } from './verdict.ts';

interface CheckFlags extends AlertFlags {
  readonly warning?: string;
  readonly critical?: string;
  readonly criticalSeverities: string;
  readonly okSeverities: string;
  readonly silenced?: boolean;
  readonly timeout: string;
}

/** Less than the 60 s of Nagios, which it would report as CRITICAL. */
const DEFAULT_TIMEOUT_S = '10';
const MAX_TIMEOUT_S = 600;
/** More than that need no list to be a problem. */
const MAX_ALERTS = 10_000;

export function checkCommand({ streams, clock }: ClientEnvironment): Command {
  const command = addOptions(
    new Command('check').description('check the alerts of a running master, as a plugin of Nagios or Icinga'),
    clientOptions,
  ).option('--worker <id>', 'only alerts about this worker');
  addAlertFilters(command)
    .option('-w, --warning <range>', 'WARNING if the number of firing alerts is outside of this range: 0, 1:10, ~:5')
    .option('-c, --critical <range>', 'CRITICAL if it is outside of this one; severities do not count then')
    .option('--critical-severities <list>', 'severities that are CRITICAL', 'page,critical')
    .option('--ok-severities <list>', 'severities that are OK; all others are WARNING', 'info,none')
    .option('--silenced', 'count alerts of which nobody is told, too: silenced, inhibited or muted ones')
    .option('-t, --timeout <seconds>', 'UNKNOWN after so long', DEFAULT_TIMEOUT_S);
  command.addHelpText(
    'after',
    examples(
      'pulselane check                            OK (0), WARNING (1), CRITICAL (2) or UNKNOWN (3)',
      'pulselane check --worker worker-1',
      'pulselane check --group rack-7 -w 0 -c 5',
    ),
  );
  const unknown = (reason: string): never => {
    streams.stdout.write(unknownText(reason));
    throw new ExitWith(CHECK_CODES.UNKNOWN);
  };
  // What commander finds wrong with the flags; otherwise 2, which would be CRITICAL.
  command.error = (message) => unknown(message.replace(/^error: /, ''));
  return command.action(async () => {
    let verdict: Verdict;
    try {
      const flags = command.opts<CheckFlags>();
      const settings = settingsOf(flags);
      const timeoutMs = timeoutOf(flags.timeout);
      const api = apiClientOf(command, clock, timeoutMs);
      verdict = verdictOf(await within(timeoutMs, clock, factsOf(api, flags)), settings);
    } catch (error) {
      if (error instanceof CommanderError) throw error;
      return unknown(messageOf(error));
    }
    streams.stdout.write(verdict.text);
    if (verdict.status !== 'OK') throw new ExitWith(CHECK_CODES[verdict.status]);
  });
}

/** @throws PulselaneError `invalid_argument`, naming the flag */
function settingsOf(flags: CheckFlags): CheckSettings {
  const { warning, critical, criticalSeverities, okSeverities, silenced = false } = flags;
  return {
    criticalSeverities: severitiesOf('--critical-severities', criticalSeverities),
    okSeverities: severitiesOf('--ok-severities', okSeverities),
    warning: rangeOf('--warning', warning),
    critical: rangeOf('--critical', critical),
    countsQuiet: silenced,
  };
}

/** Those of other masters are allowed: one command line may be for all. */
function severitiesOf(flag: string, text: string): string[] {
  const severities = text.split(',').map((one) => one.trim());
  if (!severities.includes('')) return severities;
  throw new PulselaneError(
    'invalid_argument',
    `${flag} ${JSON.stringify(text)}: expected severities such as page,critical`,
  );
}

function rangeOf(flag: string, text: string | undefined) {
  try {
    return text === undefined ? undefined : rangeIn(text);
  } catch (error) {
    throw new PulselaneError('invalid_argument', `${flag} ${messageOf(error)}`);
  }
}

function timeoutOf(text: string): number {
  const seconds = /^\d{1,3}(?:\.\d)?$/.test(text) ? Number(text) : 0;
  if (seconds > 0 && seconds <= MAX_TIMEOUT_S) return seconds * 1000;
  throw new PulselaneError('invalid_argument', `--timeout ${text}: expected seconds, up to ${MAX_TIMEOUT_S}`);
}

async function factsOf(api: ApiClient, flags: CheckFlags): Promise<CheckFacts> {
  const { worker, group, severity, rule, filter } = flags;
  const { page, nowMs } = await listed(api, alertParameters({ worker, group, severity, rule, filter }), MAX_ALERTS);
  const { alerts, evaluatedAt, evaluationIntervalMs, problems } = page;
  // What is misspelt, or forgotten by the master, has no alerts: that is not OK.
  if (worker !== undefined && alerts.length === 0 && (await api.workerDetail(worker)) === undefined) {
    throw new PulselaneError('not_found', `no worker is called ${worker}`);
  }
  if (group !== undefined && alerts.length === 0 && !(await hasGroup(api, group))) {
    throw new PulselaneError('not_found', `no worker belongs to the group ${group}`);
  }
  await checkNames(api, flags, alerts);
  return { alerts, evaluatedAt, evaluationIntervalMs, problems, nowMs };
}

async function hasGroup(api: ApiClient, group: string): Promise<boolean> {
  const [page] = (await api.listWorkers({ group, fields: 'worker_id' }, 1)) ?? [];
  const { workers } = (page?.body ?? {}) as { workers?: unknown };
  return Array.isArray(workers) && workers.length > 0;
}

/** Over all requests of the check. @throws PulselaneError `environment` after that time */
async function within<T>(timeoutMs: number, clock: Clock, asked: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = clock.after(timeoutMs, () =>
    late.reject(new PulselaneError('environment', `the master did not answer within ${timeoutMs / 1000} s`)),
  );
  // If it fails after that time, nobody waits for it.
  asked.catch(() => {});
  try {
    return await Promise.race([asked, late.promise]);
  } finally {
    timer.cancel();
  }
}
