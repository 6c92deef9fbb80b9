/** What remote write costs: the CPU of its thread, and bytes. */

import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { startMaster } from '../lib/servers.ts';
import { eventually } from '../lib/time.ts';
import { workerIds } from '../load/fleet.ts';
import type { WriteReceiverCalls } from '../processes/write-receiver.ts';

/** With five custom metrics each. */
const SERIES_PER_WORKER = 29;
/** With the series of the master: 170,000. */
const WORKERS = 5860;
const SERIES = 170_000;
const INTERVAL_S = 15;
/** More often than is asked for, so that a short measurement has some rounds; the figure is per sample, then for as many as above. */
const MEASURED_INTERVAL_S = 1;
const ROUNDS = 30;
const EXPORT_THREAD = 'pulselane-exp';

interface Run {
  /** Of one core, for 170,000 series every 15 s. */
  readonly cpuPercent: number;
  readonly bytesPerSample: number;
}

export const remoteWrite: Bench = {
  name: 'remote-write',
  question: 'What does remote write of 170,000 series every 15 s cost?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    const of = `as measured with ${scaled(WORKERS, context.size.fleet)} workers`;
    return figuresOf<Run>(runs, [
      {
        id: 'remote-write.cpu',
        question: `CPU of the export thread, remote write 2.0 of 170,000 series every 15 s, ${of}`,
        unit: '% of a core',
        goal: 20,
        of: ({ cpuPercent }) => cpuPercent,
      },
      {
        id: 'remote-write.bytes',
        question: 'bytes per sample of remote write 2.0',
        unit: 'B',
        of: ({ bytesPerSample }) => bytesPerSample,
      },
    ]);
  },
};

function measure(size: Size, watch: RunWatch): Promise<Run> {
  return withChildren(async (start) => {
    const receiver = start<WriteReceiverCalls>('write-receiver.ts');
    const port = await receiver.call('listen');
    const workers = scaled(WORKERS, size.fleet);
    const { server } = await startMaster(
      start,
      {
        MAX_DEDICATED_LANES: '0',
        SHARED_LANES: '2',
        HISTORY: 'off',
        // Each sends once: what is written does not depend on how often it changes.
        INACTIVITY_TIMEOUT: '1h',
        REMOTE_WRITE_URL: `http://127.0.0.1:${port}/`,
        REMOTE_WRITE_INTERVAL: `${MEASURED_INTERVAL_S}s`,
      },
      workers,
    );
    await server.call('reportOnce', workerIds(workers));
    const samples = () => server.call('samplesWritten');
    // The first round of all workers makes what the others use again.
    const grown = async (rounds: number) => {
      const from = await samples();
      const isSo = async () => (await samples()) - from >= rounds * SERIES_PER_WORKER * workers;
      await eventually('rounds of remote write', isSo, { everyMs: 50 });
    };
    await grown(1);
    const before = { samples: await samples(), bytes: await receiver.call('bytes'), ms: await cpuMs(server) };
    await watch.during(() => grown(scaled(ROUNDS, size.time) - 1));
    const written = (await samples()) - before.samples;
    const ms = (await cpuMs(server)) - before.ms;
    return {
      cpuPercent: (100 * (ms / written) * SERIES) / (1000 * INTERVAL_S),
      bytesPerSample: ((await receiver.call('bytes')) - before.bytes) / written,
    };
  });
}

/** 0 where it cannot be measured. */
async function cpuMs(server: Awaited<ReturnType<typeof startMaster>>['server']): Promise<number> {
  return (await server.call('threadCpuMs', EXPORT_THREAD)) ?? 0;
}
