/** `pulselane history [id]`: how a worker was, and, without an id, the state of history itself. */
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { ALL_METRICS } from '../../history/query/keys.ts';
import { durationOf } from '../../history/query/time.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { printable } from '../../lib/printable.ts';
import { checkWorkerId } from '../../model/worker-id.ts';
import { examples } from '../help-text.ts';
import { printAnswer } from '../output/answer.ts';
import type { Item } from '../output/csv.ts';
import { LIST_FORMATS } from '../output/format.ts';
import { countOf } from '../text/units.ts';
import { historyStatusOf, historyStatusText } from '../views/history-status-text.ts';
import { historyText } from '../views/history-text.ts';
import { HISTORY_FIELDS, historyItems, historyOf } from '../views/history-view.ts';
import type { ApiClient } from './api.ts';
import { backupCommand } from './backup.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';
import { addRangeOptions, type RangeFlags, rangeOfFlags } from './time-range.ts';

interface HistoryFlags extends RangeFlags {
  readonly step?: string;
  readonly points?: string;
  readonly metric?: readonly string[];
}

const DEFAULT_LAST = '1h';

export function historyCommand({ streams, clock }: ClientEnvironment): Command {
  const command = addRangeOptions(
    clientCommand('history', 'show how a worker was, or, without an id, the state of history', LIST_FORMATS).argument(
      '[id]',
      'the worker; it may be a forgotten one',
    ),
    DEFAULT_LAST,
  )
    .option('--step <duration>', 'a point for each such time: 10s, 5m, 1h (default: what --points has room for)')
    .option('--points <n>', 'at most so many points per metric (default: 1000)')
    .addOption(
      new Option('--metric <name>', 'a metric, such as cpu_usage or one of your own; can be repeated').argParser(
        (value, before: readonly string[] = []) => [...before, value],
      ),
    )
    .helpCommand(false);
  command.addHelpText(
    'after',
    examples(
      'pulselane history worker-1',
      'pulselane history worker-1 --last 24h --metric cpu_usage --metric frames_rendered',
      'pulselane history worker-1 --from 2026-11-23T08:00:00Z --to 2026-11-23T12:00:00Z --step 5m -o csv',
      'pulselane history                        the state of history',
      'pulselane history backup history.backup  a copy of the database of this machine’s master',
    ),
  );
  command.action(async (workerId: string | undefined) => {
    const flags = command.opts<HistoryFlags>();
    const parameters = parametersOf(flags, clock.wallMs());
    const api = apiClientOf(command, clock);
    if (workerId === undefined) {
      refuseWithoutWorker(flags);
      const answer = await api.historyStatus();
      const status = historyStatusOf(answer);
      const text = (page: Parameters<typeof historyText>[1]) => historyStatusText(status, answer.atUnixMs, page);
      const item = answer.body as Item;
      printAnswer({ json: item, items: [item], fields: Object.keys(item), text }, command, streams);
      return;
    }
    checkWorkerId(workerId);
    const metrics = flags.metric ?? [ALL_METRICS];
    const answer = await api.history(workerId, [...parameters, ...metrics.map((name) => ['metric', name] as const)]);
    const view = historyOf(answer);
    const text = (page: Parameters<typeof historyText>[1]) => historyText(view, page);
    printAnswer({ json: answer.body, items: historyItems(view), fields: HISTORY_FIELDS, text }, command, streams);
    const note = flags.metric === undefined ? await notKept(api, workerId) : undefined;
    if (note !== undefined) streams.stderr.write(`pulselane: ${note}\n`);
  });
  command.addCommand(backupCommand({ streams }));
  return command;
}

/** @throws PulselaneError `invalid_argument`, naming the flag */
function parametersOf(flags: HistoryFlags, nowMs: number): (readonly [string, string])[] {
  const { step, points } = flags;
  if (step !== undefined) {
    try {
      durationOf(step);
    } catch (error) {
      throw new PulselaneError('invalid_argument', `--step ${step || '""'}: ${messageOf(error)}`);
    }
  }
  if (points !== undefined && !/^\d{1,6}$/.test(points)) {
    throw new PulselaneError('invalid_argument', `--points ${points || '""'}: expected a whole number`);
  }
  return Object.entries({
    ...rangeOfFlags(flags, { nowMs, defaultLast: DEFAULT_LAST }),
    ...(step === undefined ? {} : { step }),
    ...(points === undefined ? {} : { points }),
  });
}

/** Which metrics history leaves out, in words; undefined: none, or of a worker that is not there. */
async function notKept(api: ApiClient, workerId: string): Promise<string | undefined> {
  const detail = (await api.workerDetail(workerId))?.body;
  const { data } = z.object({ history_left_out: leftOut }).safeParse(detail);
  if (data === undefined || data.history_left_out.metrics === 0) return undefined;
  const { metrics, names } = data.history_left_out;
  const more = metrics - names.length;
  const shown = printable(names.join(', ')) + (more > 0 ? ` and ${more} more` : '');
  return `${countOf(metrics, 'metric')} of ${workerId} not kept, beyond HISTORY_METRICS or for lack of memory: ${shown}`;
}

const leftOut = z.object({ metrics: z.number(), names: z.array(z.string()) });

/** Of the state of history there is only now. @throws PulselaneError `invalid_argument` */
function refuseWithoutWorker(flags: HistoryFlags): void {
  const [given] = (['last', 'from', 'to', 'step', 'points', 'metric'] as const).filter(
    (name) => flags[name] !== undefined,
  );
  if (given === undefined) return;
  throw new PulselaneError(
    'invalid_argument',
    `--${given}: name a worker, as in: pulselane history worker-1 --${given} …`,
  );
}
