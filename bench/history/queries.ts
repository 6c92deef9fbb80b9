/** How long questions to history take, and how that and the disk grow from one day to seven. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { type Figure, figureOf, figuresOf, p50p99, type QuestionOf, spreadQuestions } from '../lib/rows.ts';
import type { Growth, HistoryQueriesCalls, QueryTimes } from '../processes/history-queries.ts';
import { hoursOf } from './sizes.ts';

const FLEET = 1000;
const TIMES = 500;
const FLEET_TIMES = 120;
const MONTH_HOURS = 30 * 24;
const GROWN_DAYS = 7;

interface Run {
  readonly day: QueryTimes;
  readonly month: QueryTimes;
  readonly fleet: QueryTimes;
}

export const historyQueries: Bench = {
  name: 'history-queries',
  question: 'How long do questions to history take, compared with SQL on a row for each heartbeat?',
  async run(context: BenchContext) {
    const workers = scaled(FLEET, context.size.fleet);
    const hours = hoursOf(context.size);
    const manyHours = hours < 24 ? 2 * hours : MONTH_HOURS;
    const runs = await repeated(this, context, ({ time }) =>
      withChildren(async (start): Promise<Run> => {
        const process = start<HistoryQueriesCalls>('history-queries.ts');
        return {
          day: await process.call('day', hours, scaled(TIMES, time)),
          month: await process.call('month', manyHours, scaled(TIMES, time)),
          fleet: await process.call('fleet', workers, scaled(FLEET_TIMES, time)),
        };
      }),
    );
    return figuresOf<Run>(runs, [
      ...questionsOf('day', `${hours} h of one worker, one metric`, 10),
      ...questionsOf('month', `${manyHours / 24} days of one worker, one metric`, 20),
      ...questionsOf('fleet', `the mean of ${workers} workers, 1 h by minutes`, 150),
    ]);
  },
};

function questionsOf(what: keyof Run, question: string, goalMs: number): QuestionOf<Run>[] {
  const id = `history.query.${what}`;
  return [
    ...spreadQuestions<Run>({ id, question, unit: 'ms' }, (run) => p50p99(run[what].ours), { p99: goalMs }),
    ...spreadQuestions<Run>({ id: `${id}.sql`, question: `${question}: SQL on rows`, unit: 'ms' }, (run) =>
      p50p99(run[what].sql),
    ),
  ];
}

/** Filling takes most of its time, so it runs once. */
export const historyGrowth: Bench = {
  name: 'history-growth',
  question: 'How do the disk and the time of questions grow from one day to seven?',
  async run({ size, progress }: BenchContext): Promise<Figure[]> {
    const workers = scaled(FLEET, size.fill);
    const days = size.fleet < 0.1 ? 2 : GROWN_DAYS;
    progress(`history-growth: ${workers} workers, ${days} days`);
    const found = await withChildren((start) =>
      start<HistoryQueriesCalls>('history-queries.ts').call(
        'growth',
        workers,
        days,
        hoursOf(size),
        scaled(TIMES, size.time),
      ),
    );
    const [first, last] = [found[0] as Growth, found.at(-1) as Growth];
    const of = `${workers} workers`;
    const bytesPerDay = ({ bytes, days: written }: Growth) => bytes / written / workers;
    return [
      row('history.growth.day-1.bytes', `disk for each day and worker after 1 day, ${of}`, 'B', bytesPerDay(first)),
      row(`history.growth.day-${GROWN_DAYS}.bytes`, `the same after ${days} days`, 'B', bytesPerDay(last)),
      row(
        'history.growth.bytes.ratio',
        'disk for each day: compared',
        '×',
        bytesPerDay(last) / bytesPerDay(first),
        1.1,
      ),
      ...(['day', 'fleet'] as const).flatMap((what) => {
        const question = what === 'day' ? '24 h of one worker, one metric' : `the mean of ${of}, 1 h by minutes`;
        const [before, after] = [p50p99(first[what]), p50p99(last[what])];
        return [
          row(`history.growth.day-1.${what}.p99`, `${question} after 1 day, p99`, 'ms', before.p99),
          row(`history.growth.day-${GROWN_DAYS}.${what}.p99`, `${question} after ${days} days, p99`, 'ms', after.p99),
          row(`history.growth.${what}.ratio`, `${question}: p99, compared`, '×', after.p99 / before.p99, 2),
        ];
      }),
    ];
  },
};

function row(id: string, question: string, unit: string, value: number, goal?: number): Figure {
  return figureOf({ id, question, unit, ...(goal === undefined ? {} : { goal }) }, [value]);
}
