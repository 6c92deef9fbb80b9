/** `pulselane workers`, `pulselane status [id]` and `pulselane events [n]`: a look at a running master, over HTTP. */
import { Command } from 'commander';
import { addOptions, givenFlags } from '../../config/command-line.ts';
import { clientOptions } from '../../config/options.ts';
import { processSources, resolveOptions, settingName } from '../../config/resolve.ts';
import type { Clock } from '../../lib/clock.ts';
import { checkWorkerId } from '../../model/worker-id.ts';
import { examples } from '../help-text.ts';
import { addOutputOption, jsonText, outputFormat } from '../output-format.ts';
import type { Streams } from '../streams.ts';
import { clusterText } from '../views/cluster-text.ts';
import { DEFAULT_EVENTS, eventCount, eventsText } from '../views/events-text.ts';
import {
  clusterViewOf,
  eventsOf,
  pendingRowsOf,
  workerDetailOf,
  workerRowsOf,
  workerRowsOfList,
} from '../views/from-api.ts';
import { workerText } from '../views/worker-text.ts';
import { pendingText, workersText } from '../views/workers-text.ts';
import { ApiClient } from './api.ts';
import { clientToken } from './token.ts';

export interface ClientEnvironment {
  readonly streams: Streams;
  readonly clock: Clock;
}

export function workersCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand('workers', 'list the workers of a running master');
  command.addHelpText(
    'after',
    examples(
      'pulselane workers',
      'pulselane workers --url http://10.0.0.5:8080 -o json',
      'pulselane workers --token-file my.token',
    ),
  );
  return command.action(async () => {
    const api = clientOf(command, clock);
    const isJson = outputFormat(command, streams) === 'json';
    streams.stdout.write(isJson ? jsonText((await api.workers()).body) : `${await workersTable(api)}\n`);
  });
}

export function statusCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand('status', 'show the fleet of a running master, or one worker').argument(
    '[id]',
    'the worker; without it, the fleet as a whole',
  );
  command.addHelpText('after', examples('pulselane status', 'pulselane status worker-1 -o json'));
  return command.action(async (workerId: string | undefined) => {
    const api = clientOf(command, clock);
    const isJson = outputFormat(command, streams) === 'json';
    streams.stdout.write(
      workerId === undefined ? await clusterStatus(api, isJson) : await workerStatus(api, workerId, isJson),
    );
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
    const answer = await clientOf(command, clock).events(eventCount(howMany));
    const isJson = outputFormat(command, streams) === 'json';
    streams.stdout.write(isJson ? jsonText(answer.body) : `${eventsText(eventsOf(answer))}\n`);
  });
}

/** With states and those who wait, if the master tells of them; one of the seed does not. */
async function workersTable(api: ApiClient): Promise<string> {
  const pages = await api.listWorkers();
  if (pages === undefined) return workersText(workerRowsOf(await api.telemetry()));
  const pending = await api.pending();
  return workersText(workerRowsOfList(pages)) + (pending === undefined ? '' : pendingText(pendingRowsOf(pending)));
}

async function clusterStatus(api: ApiClient, isJson: boolean): Promise<string> {
  const health = await api.health();
  if (isJson) return jsonText(health.body);
  return `${clusterText(clusterViewOf(health, await api.telemetry()))}\n`;
}

async function workerStatus(api: ApiClient, workerId: string, isJson: boolean): Promise<string> {
  checkWorkerId(workerId);
  const answer = await api.workerTelemetry(workerId);
  if (isJson) return jsonText(answer.body);
  return `${workerText(workerDetailOf(answer, await api.workerDetail(workerId)))}\n`;
}

function clientCommand(name: string, description: string): Command {
  return addOutputOption(addOptions(new Command(name).description(description), clientOptions));
}

export function clientOf(command: Command, clock: Clock): ApiClient {
  const sources = processSources(givenFlags(command, clientOptions));
  const config = resolveOptions(clientOptions, sources);
  const token = clientToken(config, settingName(clientOptions, 'tokenFile', sources));
  return new ApiClient({ url: config.url, token, clock });
}
