/** `pulselane status [id]`: the fleet of a running master, or one worker. */
import type { Command } from 'commander';
import { checkWorkerId } from '../../model/worker-id.ts';
import { examples } from '../help-text.ts';
import { type Answer, printAnswer } from '../output/answer.ts';
import { SHOW_FORMATS } from '../output/format.ts';
import { wrapLines } from '../text/wrap.ts';
import { clusterText } from '../views/cluster-text.ts';
import { clusterViewOf, totalsOfCluster, workerDetailOf, workerRowsOf } from '../views/from-api.ts';
import { totalsOf } from '../views/views.ts';
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
    const answer = workerId === undefined ? await clusterAnswer(api) : await workerAnswer(api, workerId);
    printAnswer(answer, command, streams);
  });
}

async function clusterAnswer(api: ApiClient): Promise<Answer> {
  const health = await api.health();
  const cluster = await api.cluster();
  const totals = cluster === undefined ? totalsOf(workerRowsOf(await api.telemetry())) : totalsOfCluster(cluster);
  const view = clusterViewOf(health, totals, await api.lanes());
  return { json: health.body, text: (page) => wrapLines(clusterText(view), page.columns) };
}

async function workerAnswer(api: ApiClient, workerId: string): Promise<Answer> {
  checkWorkerId(workerId);
  const telemetry = await api.workerTelemetry(workerId);
  const detail = await api.workerDetail(workerId);
  return {
    json: telemetry.body,
    text: (page) => wrapLines(workerText(workerDetailOf(telemetry, detail)), page.columns),
  };
}
