/** What queries over 10,000 workers take, and how long they hold up the loop on which live streams depend. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, type QuestionOf, spreadQuestions } from '../lib/rows.ts';
import type { QueriesCalls, QueryTimes } from '../processes/queries.ts';

const WORKERS = 10_000;
const QUERIES = 100;

export const queries: Bench = {
  name: 'queries',
  question: 'What do queries over 10,000 workers take, and do they hold up the http thread?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, ({ fleet, time }) =>
      withChildren((start) =>
        start<QueriesCalls>('queries.ts').call('measure', scaled(WORKERS, fleet), scaled(QUERIES, time)),
      ),
    );
    const of = `of ${scaled(WORKERS, context.size.fleet)} workers`;
    return figuresOf<QueryTimes>(runs, [
      {
        id: 'query.idle.held',
        question: 'nobody asks: the loop is held up, p99',
        unit: 'ms',
        of: ({ idleHeldMs }) => idleHeldMs,
      },
      {
        id: 'query.first',
        question: `the first query ${of}: a thread of the pool starts`,
        unit: 'ms',
        of: ({ firstMs }) => firstMs,
      },
      {
        id: 'query.first.held',
        question: `the first query ${of}: the loop is held up, p99`,
        unit: 'ms',
        of: ({ firstHeldMs }) => firstHeldMs,
      },
      ...questionsOf('list', `the first 100 ${of}, filtered and sorted by a usage, gzip`),
      ...questionsOf('cluster', `figures ${of}`),
      ...heldQuestions('first', `the first query ${of}`),
      ...heldQuestions('list', `the first 100 ${of}`),
      ...heldQuestions('cluster', `figures ${of}`),
    ]);
  },
};

/** A thread that works takes its share of the machine, and its answers some time, whatever it works at. */
function heldQuestions(what: 'first' | 'list' | 'cluster', question: string): QuestionOf<QueryTimes>[] {
  const held = ({ pool, firstHeldMs }: QueryTimes) => (what === 'first' ? firstHeldMs : pool[what].heldMs);
  return [
    {
      id: `query.bare.${what}.held`,
      question: `${question}: a bare thread in the place of the pool, the loop is held up, p99`,
      unit: 'ms',
      of: ({ bareHeldMs }) => bareHeldMs[what],
    },
    {
      id: `query.${what}.held.ratio`,
      question: `${question}: the loop is held up by the pool, beside that`,
      unit: '×',
      goal: 3,
      of: (run) => held(run) / run.bareHeldMs[what],
    },
  ];
}

function questionsOf(what: 'list' | 'cluster', question: string): QuestionOf<QueryTimes>[] {
  return (['pool', 'inline'] as const).flatMap((where) => [
    ...spreadQuestions<QueryTimes>(
      { id: `query.${what}.${where}`, question: `${question}: ${where}`, unit: 'ms' },
      (run) => run[where][what].took,
    ),
    {
      id: `query.${what}.${where}.held`,
      question: `${question}: ${where}, the loop is held up, p99`,
      unit: 'ms',
      of: (run: QueryTimes) => run[where][what].heldMs,
    },
  ]);
}
