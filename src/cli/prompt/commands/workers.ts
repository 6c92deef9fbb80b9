import { pendingRows, workerRows } from '../../views/from-master.ts';
import { pendingText, workersText } from '../../views/workers-text.ts';
import { expectArgs, type PromptCommand } from '../command.ts';

export const workers: PromptCommand = {
  names: ['workers'],
  usage: 'workers',
  help: 'all workers, by id',
  run(args, { operator, clock }) {
    expectArgs(args, 0, 0);
    return workersText(workerRows(operator, clock)) + pendingText(pendingRows(operator, clock));
  },
};
