/** `pulselane workers`, `pulselane status [id]` and `pulselane events [n]`: a look at a running master, over HTTP. */
import { Command } from 'commander';
import { addOptions, givenFlags } from '../../config/command-line.ts';
import { clientOptions } from '../../config/options.ts';
import { checkClientConfig, processSources, resolveOptions, settingName } from '../../config/resolve.ts';
import type { Clock } from '../../lib/clock.ts';
import { checkWorkerId } from '../../model/worker-id.ts';
import { examples } from '../help-text.ts';
import { addOutputOption, jsonText, outputFormat } from '../output-format.ts';
import type { Streams } from '../streams.ts';
import { wrapLines } from '../text/wrap.ts';
import { clusterText } from '../views/cluster-text.ts';
import { DEFAULT_EVENTS, eventCount, eventsText } from '../views/events-text.ts';
import {
  type ApiAnswer,
  clusterViewOf,
  eventsOf,
  pendingRowsOf,
  totalsOfCluster,
  workerDetailOf,
  workerRowsOf,
  workerRowsOfList,
} from '../views/from-api.ts';
import { beginningWith, totalsOf } from '../views/views.ts';
import { workerText } from '../views/worker-text.ts';
import { pendingText, workersText } from '../views/workers-text.ts';
import { ApiClient } from './api.ts';
import { clientTls } from './tls.ts';
import { clientToken } from './token.ts';

export interface ClientEnvironment {
  readonly streams: Streams;
  readonly clock: Clock;
}

export function workersCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand('workers', 'list the workers of a running master').argument(
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
    const isJson = outputFormat(command, streams) === 'json';
    if (isJson) streams.stdout.write(jsonText(entriesBeginningWith(prefix, (await api.workers()).body)));
    else printText(await workersTable(api, prefix), streams);
  });
}

/** Of the legacy map by id. */
function entriesBeginningWith(prefix: string, body: unknown): unknown {
  if (prefix === '' || typeof body !== 'object' || body === null) return body;
  return Object.fromEntries(Object.entries(body).filter(([workerId]) => workerId.startsWith(prefix)));
}

export function statusCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand('status', 'show the fleet of a running master, or one worker').argument(
    '[id]',
    'the worker; without it, the fleet as a whole',
  );
  command.addHelpText('after', examples('pulselane status', 'pulselane status worker-1 -o json'));
  return command.action(async (workerId: string | undefined) => {
    const api = apiClientOf(command, clock);
    const isJson = outputFormat(command, streams) === 'json';
    if (isJson) {
      const answer = workerId === undefined ? await api.health() : await workerAnswer(api, workerId);
      streams.stdout.write(jsonText(answer.body));
      return;
    }
    printText(workerId === undefined ? await clusterStatus(api) : await workerStatus(api, workerId), streams);
  });
}

export function eventsCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand('events', 'show what happened to the workers of a running master of late').argument(
    '[n]',
    'how many events, the newest',
    String(DEFAULT_EVENTS),
  );
  command.addHelpText('after', examples('pulselane events', 'pulselane events 1000 -o json'));
  return command.action(async (howMany: string) => {
    const answer = await apiClientOf(command, clock).events(eventCount(howMany));
    const isJson = outputFormat(command, streams) === 'json';
    if (isJson) streams.stdout.write(jsonText(answer.body));
    else printText(eventsText(eventsOf(answer)), streams);
  });
}

/** With states and those who wait, if the master tells of them; a legacy one does not. */
async function workersTable(api: ApiClient, prefix: string): Promise<string> {
  const pages = await api.listWorkers(prefix);
  if (pages === undefined) return workersText(beginningWith(prefix, workerRowsOf(await api.telemetry())), prefix);
  const pending = await api.pending();
  const waiting = pending === undefined ? [] : beginningWith(prefix, pendingRowsOf(pending));
  return workersText(workerRowsOfList(pages), prefix) + pendingText(waiting);
}

async function clusterStatus(api: ApiClient): Promise<string> {
  const health = await api.health();
  const cluster = await api.cluster();
  const totals = cluster === undefined ? totalsOf(workerRowsOf(await api.telemetry())) : totalsOfCluster(cluster);
  return clusterText(clusterViewOf(health, totals, await api.lanes()));
}

async function workerStatus(api: ApiClient, workerId: string): Promise<string> {
  const answer = await workerAnswer(api, workerId);
  return workerText(workerDetailOf(answer, await api.workerDetail(workerId)));
}

function workerAnswer(api: ApiClient, workerId: string): Promise<ApiAnswer> {
  checkWorkerId(workerId);
  return api.workerTelemetry(workerId);
}

/** Fits a terminal; programs get whole lines. */
function printText(text: string, { stdout }: Streams): void {
  const columns = stdout.isTTY === true && stdout.columns ? stdout.columns : Number.POSITIVE_INFINITY;
  stdout.write(`${wrapLines(text, columns)}\n`);
}

function clientCommand(name: string, description: string): Command {
  return addOutputOption(addOptions(new Command(name).description(description), clientOptions));
}

export function apiClientOf(command: Command, clock: Clock): ApiClient {
  const sources = processSources(givenFlags(command, clientOptions));
  const config = checkClientConfig(resolveOptions(clientOptions, sources));
  const token = clientToken(config, settingName(clientOptions, 'tokenFile', sources));
  return new ApiClient({ url: config.url, token, tls: clientTls(config), clock });
}
