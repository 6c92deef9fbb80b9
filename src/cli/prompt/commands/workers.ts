import { pendingRows, workerRows } from '../../views/from-master.ts';
import { holdsLines } from '../../views/holds-text.ts';
import { beginningWith } from '../../views/views.ts';
import { livenessText, pendingText, workersText } from '../../views/workers-text.ts';
import { expectArgs, type PromptCommand, UsageError, workerIds } from '../command.ts';

export const workers: PromptCommand = {
  names: ['workers'],
  usage: 'workers [liveness] [<start of id>]',
  help:
    'all workers, by id, or those whose ids begin so; "liveness": since when each is in its state and why, interval, ' +
    'clock, what is missing',
  run(args, { operator, clock }) {
    const words = expectArgs(args, 0, 2);
    const isLiveness = words[0] === 'liveness';
    const [prefix = '', ...others] = isLiveness ? words.slice(1) : words;
    if (others.length > 0) throw new UsageError();
    const rows = beginningWith(prefix, workerRows(operator, clock));
    if (isLiveness) return livenessText(rows, prefix);
    const holds = holdsLines(operator.holds()).map((line) => `\n\n${line}`);
    return (
      workersText(rows, prefix) + pendingText(beginningWith(prefix, pendingRows(operator, clock))) + holds.join('')
    );
  },
  complete: (context) => ['liveness', ...workerIds(context)],
};
