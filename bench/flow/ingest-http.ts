/** How many heartbeats as JSON over HTTP the master accepts per second, compared with a server of Hono and zod. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, type QuestionOf } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { acceptedPerSecond, accountedFor, measureWindow } from '../lib/server.ts';
import { laneMixes, type Started, startMaster, startZod } from '../lib/servers.ts';
import { warmUp } from '../lib/warm-up.ts';

const WORKERS = 1000;
const CONNECTIONS = 50;
const MEASURE_MS = 2000;

/** Heartbeats per request. A list of a hundred has a connection for each hundred workers. */
const REQUESTS = { one: 1, hundred: 100 } as const;
type Request = keyof typeof REQUESTS;

interface Rate {
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly mainCpuUs: number;
}

type Run = Readonly<Record<Request, { readonly master: Rate; readonly zod: Rate }>>;

export const ingestHttp: Bench = {
  name: 'ingest-http',
  question: 'How many heartbeats as JSON over HTTP per second, compared with a server of Hono and zod?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    return figuresOf(runs, [
      ...questionsOf('one', '1 per request', 0.7),
      ...questionsOf('hundred', '100 per request', 1.5),
    ]);
  },
};

function questionsOf(request: Request, what: string, goal: number): QuestionOf<Run>[] {
  const id = `ingest.http.${request}`;
  return [
    { id: `${id}.rate`, question: `JSON, ${what}: accepted`, unit: '/s', of: (run) => run[request].master.perSecond },
    { id: `${id}.zod`, question: `JSON, ${what}: Hono and zod`, unit: '/s', of: (run) => run[request].zod.perSecond },
    {
      id: `${id}.ratio`,
      question: `JSON, ${what}: rate compared with Hono and zod`,
      unit: '×',
      goal,
      goalIs: 'at least',
      of: (run) => run[request].master.perSecond / run[request].zod.perSecond,
    },
    {
      id: `${id}.cpu`,
      question: `JSON, ${what}: CPU of all threads per heartbeat`,
      unit: 'µs',
      of: (run) => run[request].master.cpuUs,
    },
    {
      id: `${id}.zod.cpu`,
      question: `JSON, ${what}: the same of Hono and zod`,
      unit: 'µs',
      of: (run) => run[request].zod.cpuUs,
    },
    {
      id: `${id}.main-cpu`,
      question: `JSON, ${what}: main thread's CPU per heartbeat`,
      unit: 'µs',
      of: (run) => run[request].master.mainCpuUs,
    },
  ];
}

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  const rates = async (request: Request) => ({
    master: await withChildren(async (start) =>
      rateOf(await startMaster(start, laneMixes(size).shared, WORKERS), request, 'master', size, watch),
    ),
    zod: await withChildren(async (start) => rateOf(await startZod(start), request, 'Hono and zod', size, watch)),
  });
  return { one: await rates('one'), hundred: await rates('hundred') };
}

async function rateOf(
  { server, load, httpPort }: Started,
  request: Request,
  what: string,
  size: Size,
  watch: RunWatch,
): Promise<Rate> {
  const perRequest = REQUESTS[request];
  const connections = scaled(Math.min(CONNECTIONS, WORKERS / perRequest), size.fleet);
  await load.call('start', { type: 'closed-http', httpPort, workers: WORKERS, connections, perRequest });
  await warmUp(watch, size, `${what}, ${request}`, (forMs) => acceptedPerSecond(server, forMs));
  const { accepted, mainCpuMs, processCpuMs, seconds } = await watch.during(() =>
    measureWindow(server, MEASURE_MS * size.time),
  );
  await accountedFor(server, await load.call('stop'));
  return {
    perSecond: accepted / seconds,
    cpuUs: (processCpuMs * 1000) / accepted,
    mainCpuUs: (mainCpuMs * 1000) / accepted,
  };
}
