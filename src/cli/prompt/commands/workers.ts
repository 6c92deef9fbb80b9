import { pendingRows, workerRows } from '../../views/from-master.ts';
import { holdsLines } from '../../views/holds-text.ts';
import { livenessText, pendingText, workersText } from '../../views/workers-text.ts';
import { expectArgs, type PromptCommand, UsageError } from '../command.ts';

export const workers: PromptCommand = {
  names: ['workers'],
  usage: 'workers [liveness]',
  help: 'all workers, by id; "liveness": since when each is in its state and why, interval, clock, what is missing',
  run(args, { operator, clock }) {
    const [word] = expectArgs(args, 0, 1);
    const rows = workerRows(operator, clock);
    if (word === 'liveness') return livenessText(rows);
    if (word !== undefined) throw new UsageError();
    const holds = holdsLines(operator.holds()).map((line) => `\n\n${line}`);
    return workersText(rows) + pendingText(pendingRows(operator, clock)) + holds.join('');
  },
  complete: () => ['liveness'],
};
