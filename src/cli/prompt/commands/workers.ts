import { WORKER_STATES } from '../../../model/liveness.ts';
import { readCriteria } from '../../../reading/criteria.ts';
import { selectionBy } from '../../../reading/selection.ts';
import { pendingRows, workerRows } from '../../views/from-master.ts';
import { holdsBelow } from '../../views/holds-text.ts';
import { beginningWith } from '../../views/views.ts';
import { livenessText, pendingText, workersText } from '../../views/workers-text.ts';
import { FILTER_STARTS, queryOfWords } from '../../worker-query.ts';
import { type PromptCommand, UsageError, workerIds } from '../command.ts';

export const workers: PromptCommand = {
  names: ['workers'],
  usage: 'workers [liveness] [<start of id>] [<filter>…]',
  help:
    'all workers, by id, or those that match: web- state=inactive,unknown group=rack-7 label.zone=a min.cpu_usage=90 ' +
    'sort=-cpu_usage limit=10; "liveness": since when each is in its state and why, interval, clock, what is missing',
  run(args, { operator, clock, page }) {
    const isLiveness = args[0] === 'liveness';
    const query = queryOfWords(isLiveness ? args.slice(1) : args);
    if (query === undefined) throw new UsageError();
    const { filters, sort, limit } = query;
    const { prefix = '', ...others } = filters;
    const isFiltered = Object.keys(others).length > 0;
    const selection = selectionBy(readCriteria(filters).criteria);
    const all = workerRows(operator, clock, { selection, sort });
    const rows = all.slice(0, limit);
    const shown = { prefix, isFiltered, total: all.length };
    if (isLiveness) return livenessText(rows, shown, page());
    const waiting = isFiltered ? [] : beginningWith(prefix, pendingRows(operator, clock));
    return workersText(rows, shown, page()) + pendingText(waiting, page()) + holdsBelow(operator.holds(), page());
  },
  complete: (context) => [
    'liveness',
    ...WORKER_STATES.map((state) => `state=${state}`),
    ...FILTER_STARTS,
    ...workerIds(context),
  ],
  completesAll: true,
};
