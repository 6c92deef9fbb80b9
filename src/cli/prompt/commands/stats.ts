import { workerDetail } from '../../views/from-master.ts';
import { liveText } from '../../views/live-text.ts';
import { oneArg, type PromptCommand, workerIds } from '../command.ts';
import { knownWorker } from '../known-worker.ts';

export const stats: PromptCommand = {
  names: ['stats'],
  usage: 'stats <id>',
  help: 'live view of one worker, until a key is pressed',
  async run(args, context) {
    const workerId = oneArg(args);
    knownWorker(context, workerId);
    await context.live((size) => liveText(workerId, workerDetail(context.operator, context.clock, workerId), size));
    return undefined;
  },
  complete: workerIds,
};
