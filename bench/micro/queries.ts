/** How long queries over 10,000 workers take, and how long they block the event loop that live streams depend on. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, type QuestionOf, spreadQuestions } from '../lib/rows.ts';
import type { QueriesCalls, QueryTimes } from '../processes/queries.ts';

const WORKERS = 10_000;
const QUERIES = 100;

export const queries: Bench = {
  name: 'queries',
  question: 'How long do queries over 10,000 workers take, and do they block the HTTP thread?',
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
        question: 'no query: delay of the event loop, p99',
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
        question: `the first query ${of}: delay of the event loop, p99`,
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

/** Any working thread uses CPU, and its answers take time, whatever it does. */
function heldQuestions(what: 'first' | 'list' | 'cluster', question: string): QuestionOf<QueryTimes>[] {
  const held = ({ pool, firstHeldMs }: QueryTimes) => (what === 'first' ? firstHeldMs : pool[what].heldMs);
  return [
    {
      id: `query.bare.${what}.held`,
      question: `${question}: a bare thread instead of the pool, delay of the event loop, p99`,
      unit: 'ms',
      of: ({ bareHeldMs }) => bareHeldMs[what],
    },
    {
      id: `query.${what}.held.ratio`,
      question: `${question}: delay by the pool compared with that`,
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
      question: `${question}: ${where}, delay of the event loop, p99`,
      unit: 'ms',
      of: (run: QueryTimes) => run[where][what].heldMs,
    },
  ]);
}
