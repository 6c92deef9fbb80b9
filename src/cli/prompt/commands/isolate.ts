import { ISOLATIONS, isIsolation } from '../../../model/isolation.ts';
import { expectArgs, type PromptCommand, UsageError, workerIds } from '../command.ts';

export const isolate: PromptCommand = {
  names: ['isolate'],
  usage: `isolate <id> ${ISOLATIONS.join('|')}`,
  help: 'decide whether a worker has a thread of its own; auto: by what it needs',
  run(args, { operator }) {
    const [workerId, lane] = expectArgs(args, 2, 2);
    if (!isIsolation(lane)) throw new UsageError();
    return operator.isolate(workerId as string, lane);
  },
  complete: workerIds,
};
