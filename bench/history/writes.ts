/** How fast history is encoded, decoded and written. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, type QuestionOf } from '../lib/rows.ts';
import type { CodecRates, HistoryWritesCalls, WriteRates } from '../processes/history-writes.ts';

const CODEC_WORKERS = 200;

export const historyCodec: Bench = {
  name: 'history-codec',
  question: 'How fast are samples encoded and decoded, and how small do they become?',
  async run(context: BenchContext) {
    const workers = scaled(CODEC_WORKERS, context.size.fleet);
    const runs = await repeated(this, context, () =>
      withChildren((start) => start<HistoryWritesCalls>('history-writes.ts').call('codec', workers)),
    );
    const of = `${workers} workers × 1 h`;
    const rate = (
      id: string,
      question: string,
      value: (run: CodecRates) => number,
      goal?: number,
    ): QuestionOf<CodecRates> => ({
      id,
      question,
      unit: 'M/s',
      ...(goal === undefined ? {} : { goal, goalIs: 'at least' as const }),
      of: value,
    });
    return figuresOf<CodecRates>(runs, [
      { id: 'history.codec.bytes', question: `bytes per number of a blob, ${of}`, unit: 'B', of: ({ bytes }) => bytes },
      {
        id: 'history.codec.zstd.bytes',
        question: 'the same as doubles, compressed by zstd',
        unit: 'B',
        of: ({ zstdBytes }) => zstdBytes,
      },
      rate('history.codec.encode', `numbers encoded on one core, ${of}`, ({ encode }) => encode, 7),
      rate('history.codec.zstd.encode', 'the same as doubles, compressed by zstd', ({ zstdEncode }) => zstdEncode),
      rate('history.codec.decode', `numbers decoded on one core, ${of}`, ({ decode }) => decode, 40),
      rate('history.codec.roll-up', 'numbers rolled up to minutes on one core', (run) => run.rollUp),
    ]);
  },
};

/** What a fleet of 5,000 sends in an interval is one batch. */
const WRITE_WORKERS = 5000;
const BATCHES = 60;
const INSERTS = 2000;

interface Run {
  readonly sqlite: WriteRates;
  readonly postgres: WriteRates | undefined;
}

export const historyWrite: Bench = {
  name: 'history-write',
  question: 'How many samples per second does one core write, compared with one INSERT for each heartbeat?',
  optional: ['rate', 'insert', 'rows'].map((what) => `history.write.postgres.${what}`),
  async run(context: BenchContext) {
    const spec = {
      workers: scaled(WRITE_WORKERS, context.size.fleet),
      batches: scaled(BATCHES, context.size.time),
      inserts: scaled(INSERTS, context.size.time),
    };
    const runs = await repeated(this, context, () =>
      withChildren(async (start): Promise<Run> => {
        const process = start<HistoryWritesCalls>('history-writes.ts');
        return {
          sqlite: await process.call('sqliteWrites', spec),
          postgres: await process.call('postgresWrites', spec),
        };
      }),
    );
    const hasPostgres = runs.every(({ run }) => run.postgres !== undefined);
    if (!hasPostgres) context.note('history-write leaves out PostgreSQL: its server cannot run here');
    return figuresOf<Run>(runs, [
      ...questionsOf('sqlite', 'SQLite', 50_000, spec.workers, ({ sqlite }) => sqlite),
      ...(hasPostgres
        ? questionsOf('postgres', 'PostgreSQL 18', 30_000, spec.workers, ({ postgres }) => postgres as WriteRates)
        : []),
    ]);
  },
};

function questionsOf(
  id: string,
  name: string,
  goal: number,
  workers: number,
  of: (run: Run) => WriteRates,
): QuestionOf<Run>[] {
  const row = (what: string, question: string, value: (rates: WriteRates) => number): QuestionOf<Run> => ({
    id: `history.write.${id}.${what}`,
    question: `${name}: ${question}`,
    unit: '/s',
    of: (run) => value(of(run)),
  });
  return [
    {
      ...row('rate', `samples written durably, ${workers} in a batch`, ({ perSecond }) => perSecond),
      goal,
      goalIs: 'at least',
    },
    row('insert', 'one INSERT for each heartbeat', ({ insertsPerSecond }) => insertsPerSecond),
    row('rows', 'an INSERT each, one commit for a batch', ({ rowsPerSecond }) => rowsPerSecond),
  ];
}
