/** The seed's four promises, at 100 and at 1,000 workers with 4 tasks each, under live heartbeats. */
import { Agent, request } from 'node:http';
import type { Bench, BenchContext } from '../lib/bench.ts';
import { Child } from '../lib/child.ts';
import { p50p99, type Question, type Row, rowOf } from '../lib/rows.ts';
import type { LoadRequest } from '../processes/load.ts';
import type { MasterAnswers, MasterRequest } from '../processes/master.ts';

interface Measured {
  readonly heartbeat: readonly number[];
  readonly one: readonly number[];
  readonly all: readonly number[];
  readonly httpOne: readonly number[];
  readonly httpAll: readonly number[];
}

/** Goals are the seed's promises, in ms. */
const PROMISES: readonly { key: keyof Measured; name: string; question: string; goalMs: number }[] = [
  { key: 'heartbeat', name: 'heartbeat', question: 'heartbeat: received to readable', goalMs: 1 },
  { key: 'one', name: 'query-one', question: 'getWorkerTelemetry', goalMs: 1 },
  { key: 'all', name: 'query-all', question: 'getAllWorkerTelemetry', goalMs: 10 },
  { key: 'httpOne', name: 'http-one', question: 'GET /telemetry/{id}', goalMs: 5 },
  { key: 'httpAll', name: 'http-all', question: 'GET /telemetry', goalMs: 5 },
];

/** Each worker sends once in this time: five times the rate of the field, to have enough to measure. */
const PERIOD_MS = 1000;
const WORKERS_PER_STREAM = 20;

export const promises: Bench = {
  name: 'promises',
  question: 'Are the seed’s four promises kept?',
  async run({ sizes, runs, progress }: BenchContext): Promise<Row[]> {
    const rows: Row[] = [];
    for (const workers of sizes.workers) {
      const measured: Measured[] = [];
      for (let run = 1; run <= runs; run++) {
        progress(`promises: ${workers} workers, run ${run} of ${runs}`);
        measured.push(await measure(workers, sizes.seconds));
      }
      for (const promise of PROMISES) {
        const perRun = measured.map((one) => p50p99(one[promise.key]));
        for (const which of ['p50', 'p99'] as const) {
          const question: Question = {
            id: `promise.${promise.name}.${workers}.${which}`,
            question: `${promise.question}, ${workers} workers, ${which}`,
            unit: 'ms',
            goal: promise.goalMs,
          };
          rows.push(
            rowOf(
              question,
              perRun.map((values) => values[which]),
            ),
          );
        }
      }
    }
    return rows;
  },
};

async function measure(workers: number, seconds: number): Promise<Measured> {
  const master = new Child<MasterRequest, unknown>('master.ts');
  const load = new Child<LoadRequest, unknown>('load.ts');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const started = (await master.ask({
      type: 'start',
      settings: { MAX_DEDICATED_LANES: '2000' },
    })) as MasterAnswers['start'];
    const streams = Math.max(1, Math.floor(workers / WORKERS_PER_STREAM));
    await load.ask({ type: 'start', grpcPort: started.grpcPort, workers, streams, periodMs: PERIOD_MS });
    await everybodySettled(master, workers);

    const heartbeat: number[] = [];
    for (let second = 0; second < seconds; second++) {
      await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
      heartbeat.push(...((await master.ask({ type: 'latencies' })) as MasterAnswers['latencies']).values);
    }
    const queries = (await master.ask({ type: 'queries', one: 2000, all: 50 })) as MasterAnswers['queries'];
    const url = (path: string) => `http://127.0.0.1:${started.httpPort}${path}`;
    const httpOne = await timed(300, () => get(url('/telemetry/worker-1'), agent));
    const httpAll = await timed(100, () => get(url('/telemetry'), agent));
    return { heartbeat, ...queries, httpOne, httpAll };
  } finally {
    agent.destroy();
    await load.stop();
    await master.stop();
  }
}

/** Threads take a while to start; what is measured is the fleet at work, each worker on a lane of its own. */
async function everybodySettled(master: Child<MasterRequest, unknown>, workers: number): Promise<void> {
  let lanes = 0;
  while (lanes < workers) {
    await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
    lanes = ((await master.ask({ type: 'settled' })) as MasterAnswers['settled']).lanes;
  }
  // What was measured until now is of the start.
  await master.ask({ type: 'latencies' });
}

async function timed(times: number, work: () => Promise<void>): Promise<number[]> {
  const values: number[] = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await work();
    values.push(performance.now() - start);
  }
  return values;
}

function get(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`${url} answered ${response.statusCode}`));
      });
    });
    call.on('error', reject);
    call.end();
  });
}
