/** `pulselane status [id]`: the fleet of a running master, or one worker. */
import type { Command } from 'commander';
import { checkWorkerId } from '../../model/worker-id.ts';
import { examples } from '../help-text.ts';
import { type Answer, printAnswer } from '../output/answer.ts';
import { SHOW_FORMATS } from '../output/format.ts';
import { clusterText } from '../views/cluster-text.ts';
import {
  alertTotalsOf,
  clusterViewOf,
  holdsOf,
  legacyDetailOf,
  totalsOfCluster,
  workerDetailOf,
} from '../views/from-api.ts';
import { holdsBelow } from '../views/holds-text.ts';
import { fleetJson, legacyStatusJson, workerStatusJson } from '../views/status-json.ts';
import { totalsOf } from '../views/views.ts';
import { legacyItemsOf, rowOfItem } from '../views/worker-items.ts';
import { workerText } from '../views/worker-text.ts';
import type { ApiClient } from './api.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';

export function statusCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand('status', 'show the fleet of a running master, or one worker', SHOW_FORMATS).argument(
    '[id]',
    'the worker; without it, the fleet as a whole',
  );
  command.addHelpText('after', examples('pulselane status', 'pulselane status worker-1 -o json'));
  return command.action(async (workerId: string | undefined) => {
    const api = apiClientOf(command, clock);
    const answer = workerId === undefined ? await fleetAnswer(api) : await workerAnswer(api, workerId);
    printAnswer(answer, command, streams);
  });
}

async function fleetAnswer(api: ApiClient): Promise<Answer> {
  const health = await api.health();
  const cluster = await api.cluster();
  const totals = cluster === undefined ? await legacyTotals(api) : totalsOfCluster(cluster);
  const view = clusterViewOf(health, totals, await api.lanes(), cluster && alertTotalsOf(cluster));
  return { json: fleetJson(view), text: (page) => clusterText(view, page) };
}

async function legacyTotals(api: ApiClient) {
  const telemetry = await api.telemetry();
  return totalsOf(legacyItemsOf(telemetry).map((item) => rowOfItem(item, telemetry.atUnixMs)));
}

async function workerAnswer(api: ApiClient, workerId: string): Promise<Answer> {
  checkWorkerId(workerId);
  const detail = await api.workerDetail(workerId);
  if (detail !== undefined) {
    const view = workerDetailOf(detail);
    const holds = holdsOf(await api.holds());
    return { json: workerStatusJson(detail), text: (page) => workerText(view, {}, page) + holdsBelow(holds, page) };
  }
  const telemetry = await api.workerTelemetry(workerId);
  const view = legacyDetailOf(telemetry);
  return { json: legacyStatusJson(telemetry), text: (page) => workerText(view, {}, page) };
}
