/** What VictoriaMetrics takes on disk: imports walks through its API, lets it merge, ends it, and counts its folder. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freePort } from '../../test/support/free-port.ts';
import { eventually, sleepMs } from '../lib/time.ts';
import { type FillSpec, SAMPLES_PER_HOUR } from './fill.ts';
import { programPath, seriesName } from './programs.ts';
import { bytesOf } from './temporary.ts';
import { Walk } from './walks.ts';

/** It writes what it has merged after a few seconds. */
const MERGE_MS = 8000;
/** Of a measurement; less is only checked to run, and needs no more than its share of that. */
const FULL_HOURS = 24;

/** @returns bytes; undefined: it is not installed */
export async function victoriaMetricsBytes(
  folder: string,
  { workers, hours, kind }: FillSpec,
): Promise<number | undefined> {
  const program = programPath('victoria-metrics');
  if (program === undefined) return undefined;
  const data = join(folder, 'victoria-metrics');
  const address = `127.0.0.1:${await freePort()}`;
  const parameters = [`-storageDataPath=${data}`, `-httpListenAddr=${address}`, '-retentionPeriod=100y'];
  const server = spawn(program, [...parameters, '-loggerLevel=ERROR'], { stdio: 'ignore' });
  try {
    const post = async (path: string, body?: string) => {
      const response = await fetch(`http://${address}${path}`, {
        method: 'POST',
        ...(body === undefined ? {} : { body }),
      });
      if (!response.ok) throw new Error(`VictoriaMetrics: ${path}: ${response.status} ${await response.text()}`);
    };
    await eventually('VictoriaMetrics answers', () =>
      post('/health').then(
        () => true,
        () => false,
      ),
    );
    for (let worker = 0; worker < workers; worker++) {
      const { workerId, at, columns } = new Walk(worker, kind).next(hours * SAMPLES_PER_HOUR);
      const timestamps = [...at];
      const lines = Array.from(columns, ([key, values]) =>
        JSON.stringify({ metric: { __name__: seriesName(key), worker: workerId }, values: [...values], timestamps }),
      );
      await post('/api/v1/import', lines.join('\n'));
    }
    await post('/internal/force_flush');
    await post('/internal/force_merge');
    await sleepMs((MERGE_MS * hours) / FULL_HOURS);
  } finally {
    server.kill('SIGINT');
    if (server.exitCode === null) await once(server, 'exit');
  }
  return bytesOf(data);
}
