/** What `pulselane agent` costs the machine that it reports, beside Node itself. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Bench, BenchContext } from '../lib/bench.ts';
import { repeated, type Size, shortenedInTests } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { cpuMsOf, memoryOf, type ProcessMemory } from '../lib/process-facts.ts';
import { figuresOf, medianOf } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { startMaster } from '../lib/servers.ts';
import { eventually, monotonicMs, sleepMs } from '../lib/time.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/pulselane.js', import.meta.url));
/** Heartbeats go out every 5 s, as they do by default: some are to be in what is measured, and V8's own tidying up. */
const SPAN_MS = 100_000;
/** What it does once after its start is no part of what it takes from then on. */
const REST_MS = 5_000;
const STARTS = 5;

interface Run {
  readonly node: ProcessMemory;
  readonly agent: ProcessMemory;
  /** Of one core. */
  readonly cpuPercent: number;
  readonly nodeStartMs: number;
  readonly firstHeartbeatMs: number;
}

export const agent: Bench = {
  name: 'agent',
  question: 'What does `pulselane agent` cost a machine?',
  async run(context: BenchContext) {
    const seconds = Math.round((SPAN_MS * context.size.time) / 1000);
    const who = `an agent after ${seconds} s at 5 s`;
    const runs = await repeated(this, context, measure);
    return figuresOf<Run>(runs, [
      { id: 'agent.rss', question: `${who}: RSS`, unit: 'MB', of: ({ agent }) => agent.rssBytes / 1e6 },
      { id: 'agent.rss.bare', question: 'bare Node: RSS', unit: 'MB', of: ({ node }) => node.rssBytes / 1e6 },
      {
        id: 'agent.rss.above',
        question: `${who}: RSS above that of bare Node`,
        unit: 'MB',
        goal: 25,
        of: ({ agent, node }) => (agent.rssBytes - node.rssBytes) / 1e6,
      },
      {
        id: 'agent.pss',
        question: `${who}: its share of memory (PSS)`,
        unit: 'MB',
        of: ({ agent }) => agent.pssBytes / 1e6,
      },
      { id: 'agent.cpu', question: `${who}: CPU`, unit: '% of a core', goal: 0.5, of: ({ cpuPercent }) => cpuPercent },
      {
        id: 'agent.start',
        question: 'from the start of the process to its first heartbeat at a master',
        unit: 'ms',
        of: ({ firstHeartbeatMs }) => firstHeartbeatMs,
      },
      { id: 'agent.start.bare', question: '`node -e 0`', unit: 'ms', of: ({ nodeStartMs }) => nodeStartMs },
      {
        id: 'agent.start.ratio',
        question: 'first heartbeat beside `node -e 0`',
        unit: '×',
        goal: 10,
        of: ({ firstHeartbeatMs, nodeStartMs }) => firstHeartbeatMs / nodeStartMs,
      },
    ]);
  },
};

async function measure(size: Size, watch: RunWatch): Promise<Run> {
  return withChildren(async (start) => {
    const { server, grpcPort } = await startMaster(start, { MAX_DEDICATED_LANES: '0', SHARED_LANES: '1' }, 0);
    const accepted = async () => (await server.call('counts')).accepted;
    const starts = await watch.during(async () => {
      const nodeMs: number[] = [];
      const agentMs: number[] = [];
      // In turn, so that both have the same machine.
      for (let turn = 1; turn <= shortenedInTests(STARTS, size) || turn === 1; turn++) {
        nodeMs.push(nodeStartMs());
        agentMs.push(await firstHeartbeatMs(grpcPort, `start-${turn}`, accepted));
      }
      return { nodeStartMs: medianOf(nodeMs), firstHeartbeatMs: medianOf(agentMs) };
    });
    return withProcess(['-e', 'setInterval(() => {}, 1e9)'], (node) =>
      withProcess(agentArgs(grpcPort, 'measured'), async (agent) => {
        await sleepMs(shortenedInTests(REST_MS, size));
        const measured = await watch.during(async () => {
          const beforeMs = cpuMsOf(agent);
          const fromMs = monotonicMs();
          await sleepMs(SPAN_MS * size.time);
          return { cpuPercent: (100 * (cpuMsOf(agent) - beforeMs)) / (monotonicMs() - fromMs), agent: memoryOf(agent) };
        });
        return { ...starts, ...measured, node: memoryOf(node) };
      }),
    );
  });
}

function agentArgs(grpcPort: number, id: string): string[] {
  return [PROGRAM, 'agent', '--master', `127.0.0.1:${grpcPort}`, '--id', id];
}

function nodeStartMs(): number {
  const fromMs = monotonicMs();
  spawnSync(process.execPath, ['-e', '0'], { env: {} });
  return monotonicMs() - fromMs;
}

async function firstHeartbeatMs(grpcPort: number, id: string, accepted: () => Promise<number>): Promise<number> {
  const before = await accepted();
  const fromMs = monotonicMs();
  return withProcess(agentArgs(grpcPort, id), async () => {
    await eventually('a first heartbeat', async () => (await accepted()) > before, { everyMs: 1 });
    return monotonicMs() - fromMs;
  });
}

/** In a folder without settings, and with none in its environment. */
async function withProcess<T>(args: readonly string[], work: (pid: number) => Promise<T>): Promise<T> {
  const child: ChildProcess = spawn(process.execPath, args, { cwd: tmpdir(), env: {}, stdio: 'ignore' });
  const exit = once(child, 'exit');
  try {
    return await work(child.pid as number);
  } finally {
    child.kill();
    await exit;
  }
}
