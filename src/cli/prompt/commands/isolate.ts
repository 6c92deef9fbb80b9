import { PulselaneError } from '../../../lib/errors.ts';
import { ISOLATIONS, isIsolation } from '../../../model/isolation.ts';
import { checkWorkerId } from '../../../model/worker-id.ts';
import { expectArgs, type PromptCommand, workerIds } from '../command.ts';

export const isolate: PromptCommand = {
  names: ['isolate'],
  usage: `isolate <id> ${ISOLATIONS.join('|')}`,
  help: 'decide whether a worker has a thread of its own; auto: the master decides',
  run(args, { operator }) {
    const [workerId, lane] = expectArgs(args, 2, 2);
    checkWorkerId(workerId as string);
    if (!isIsolation(lane)) {
      throw new PulselaneError(
        'invalid_argument',
        `lane ${JSON.stringify(lane)}: expected one of ${ISOLATIONS.join(', ')}`,
      );
    }
    return operator.isolate(workerId as string, lane);
  },
  complete: workerIds,
};
