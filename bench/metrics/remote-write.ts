/** What remote write costs: the CPU of its thread, and bytes. */

import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, type QuestionOf } from '../lib/rows.ts';
import type { RunWatch } from '../lib/run-watch.ts';
import { startMaster } from '../lib/servers.ts';
import { eventually, sleepMs } from '../lib/time.ts';
import { workerIds } from '../load/fleet.ts';
import type { WriteReceiverCalls } from '../processes/write-receiver.ts';

/** With 29 series each, five of them custom metrics, and those of the master: 170,000 series. */
const WORKERS = 5860;
const SERIES = 170_000;
const INTERVAL_S = 15;
/** More often than is asked for, so that a short measurement has some rounds; the figure is per sample, then for as many as above. */
const MEASURED_INTERVAL_S = 3;
const MEASURE_MS = 30_000;
const EXPORT_THREAD = 'pulselane-exp';

interface Written {
  /** Of one core, for 170,000 series every 15 s. */
  readonly cpuPercent: number;
  readonly bytesPerSample: number;
}

interface Run {
  readonly v1: Written;
  readonly v2: Written;
}

export const remoteWrite: Bench = {
  name: 'remote-write',
  question: 'What does remote write of 170,000 series every 15 s cost?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, async (size, watch) => ({
      v1: await measure('1.0', size, watch),
      v2: await measure('2.0', size, watch),
    }));
    const of = `as measured with ${scaled(WORKERS, context.size.fleet)} workers`;
    return figuresOf<Run>(
      runs,
      (['v1', 'v2'] as const).flatMap((version): QuestionOf<Run>[] => {
        const name = version === 'v1' ? '1.0' : '2.0';
        return [
          {
            id: `remote-write.${version}.cpu`,
            question: `remote write ${name}: CPU of its thread for 170,000 series every 15 s, ${of}`,
            unit: '% of a core',
            goal: 20,
            of: (run) => run[version].cpuPercent,
          },
          {
            id: `remote-write.${version}.bytes`,
            question: `remote write ${name}: bytes per sample`,
            unit: 'B',
            of: (run) => run[version].bytesPerSample,
          },
        ];
      }),
    );
  },
};

function measure(version: '1.0' | '2.0', size: Size, watch: RunWatch): Promise<Written> {
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
        REMOTE_WRITE_VERSION: version,
        REMOTE_WRITE_INTERVAL: `${MEASURED_INTERVAL_S}s`,
      },
      workers,
    );
    await server.call('reportOnce', workerIds(workers));
    const samples = () => server.call('samplesWritten');
    // The first whole round makes what the others use again.
    const first = await samples();
    await eventually('a round of all workers', async () => (await samples()) - first > 2 * 25 * workers);
    const before = { samples: await samples(), bytes: await receiver.call('bytes'), ms: await cpuMs(server) };
    await watch.during(() => sleepMs(Math.max(2 * MEASURED_INTERVAL_S * 1000, MEASURE_MS * size.time)));
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
