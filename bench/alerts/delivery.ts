/** How soon a receiver is told of a heartbeat that meets a rule's condition. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, p50p99, type Spread } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { startMaster } from '../lib/servers.ts';
import { eventually, sleepMs } from '../lib/time.ts';
import { workerIds } from '../load/fleet.ts';
import type { AlertReceiverCalls } from '../processes/alert-receiver.ts';

const WORKERS = 1000;
/** Alerts, each of another worker, at any moment between two evaluations. */
const ALERTS = 250;
/** A second less often than evaluations at their default interval, so that they spread over it. */
const SPREAD_MS = 37_300;
const INTERVAL_S = 5;
/** In the tests, which only check that everything still runs. */
const SHORT = { intervalS: 1, alerts: 3, spreadMs: 200 };

interface Run {
  readonly intervalMs: number;
  readonly took: Spread;
}

export const alertDelivery: Bench = {
  name: 'alert-delivery',
  question: 'How soon does a receiver learn of a heartbeat that meets a condition?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    const intervalMs = runs[0]?.run.intervalMs ?? 0;
    const of = `from a heartbeat to the receiver's socket, for: 0s, group_wait: 0s, evaluation_interval: ${intervalMs / 1000}s`;
    return figuresOf<Run>(runs, [
      { id: 'alerts.delivery.p50', question: `${of}, p50`, unit: 'ms', of: ({ took }) => took.p50 },
      { id: 'alerts.delivery.p99', question: `${of}, p99`, unit: 'ms', of: ({ took }) => took.p99 },
      {
        id: 'alerts.delivery.beyond',
        question: 'p99 beyond one evaluation_interval',
        unit: 'ms',
        goal: 250,
        of: ({ took, intervalMs: interval }) => took.p99 - interval,
      },
    ]);
  },
};

function rulesFor(port: number, intervalS: number): string {
  return `
receivers: [{ name: hook, webhook: { url: "http://127.0.0.1:${port}/" } }]
route: { receiver: hook, group_by: [worker], group_wait: 0s }
evaluation_interval: ${intervalS}s
rules:
  - { alert: Hot, for_each: worker, when: "cpu_usage > 90", for: 0s, severity: page }
`;
}

function measure(size: Size, watch: RunWatch): Promise<Run> {
  return withChildren(async (start) => {
    const folder = mkdtempSync(join(tmpdir(), 'pulselane-bench-'));
    try {
      const receiver = start<AlertReceiverCalls>('alert-receiver.ts');
      const isShort = size.time < 0.3;
      const { intervalS, alerts, spreadMs } = isShort
        ? SHORT
        : { intervalS: INTERVAL_S, alerts: ALERTS, spreadMs: SPREAD_MS };
      const path = join(folder, 'rules.yaml');
      writeFileSync(path, rulesFor(await receiver.call('listen'), intervalS));
      const workers = scaled(WORKERS, size.fleet);
      const settings = { MAX_DEDICATED_LANES: '0', SHARED_LANES: '2', HISTORY: 'off' };
      const { server } = await startMaster(start, { ...settings, ALERTS: 'on', ALERT_RULES: path }, workers);
      const ids = workerIds(workers);
      await server.call('keepReporting', ids, 10);
      // One alert first, which shows that rules are evaluated.
      const [first = '', ...others] = ids;
      await server.call('report', first, 99);
      await eventually(
        'the first alert is delivered',
        async () => (await receiver.call('firing', first)) !== undefined,
      );
      const hot = others.slice(0, alerts);
      const sent = new Map<string, number>();
      await watch.during(async () => {
        for (const id of hot) {
          sent.set(id, await server.call('report', id, 99));
          await sleepMs(spreadMs / hot.length);
        }
        for (const id of hot) {
          await eventually(`${id} is told`, async () => (await receiver.call('firing', id)) !== undefined);
        }
      });
      const took: number[] = [];
      for (const [id, sentMs] of sent) took.push(((await receiver.call('firing', id)) as number) - sentMs);
      return { intervalMs: intervalS * 1000, took: p50p99(Float64Array.from(took)) };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
