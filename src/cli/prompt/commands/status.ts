import { clusterText } from '../../views/cluster-text.ts';
import { clusterView } from '../../views/from-master.ts';
import { workerText } from '../../views/worker-text.ts';
import { expectArgs, type PromptCommand, workerIds } from '../command.ts';
import { knownWorker } from '../known-worker.ts';

/** More would push everything else out of the terminal's memory. */
const MAX_ITEMS = 200;

export const status: PromptCommand = {
  names: ['status'],
  usage: 'status [<id>]',
  help: 'the fleet as a whole, or all that is known of one worker',
  run(args, context) {
    const [workerId] = expectArgs(args, 0, 1);
    if (workerId === undefined) return clusterText(clusterView(context.operator, context.clock), context.page());
    const options = { maxItems: MAX_ITEMS, ...whereAll(context.httpUrl, workerId) };
    return workerText(knownWorker(context, workerId), options, context.page());
  },
  complete: workerIds,
};

function whereAll(httpUrl: string | undefined, workerId: string): { whereAll?: string } {
  return httpUrl === undefined ? {} : { whereAll: `curl ${httpUrl}/telemetry/${encodeURIComponent(workerId)}` };
}
