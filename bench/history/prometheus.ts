/** What Prometheus takes on disk: lets promtool make blocks of walks, and counts them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { type FillSpec, SAMPLES_PER_HOUR } from './fill.ts';
import { programPath, seriesName } from './programs.ts';
import { bytesOf } from './temporary.ts';
import { WALK_KEYS, Walk } from './walks.ts';

/** @returns bytes; undefined: it is not installed */
export async function prometheusBytes(folder: string, { workers, hours, kind }: FillSpec): Promise<number | undefined> {
  const program = programPath('promtool');
  if (program === undefined) return undefined;
  const text = join(folder, 'samples.txt');
  const data = join(folder, 'prometheus');
  await writeOpenMetrics(text, workers, hours, kind);
  const tool = spawn(program, ['tsdb', 'create-blocks-from', 'openmetrics', text, data], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(tool, 'exit');
  if (code !== 0) throw new Error(`promtool ended with ${code}`);
  return bytesOf(data);
}

/** OpenMetrics wants all samples of a metric together. */
async function writeOpenMetrics(path: string, workers: number, hours: number, kind: FillSpec['kind']): Promise<void> {
  const file = createWriteStream(path);
  for (const key of WALK_KEYS) {
    const name = seriesName(key);
    file.write(`# TYPE ${name} gauge\n`);
    for (let worker = 0; worker < workers; worker++) {
      const { workerId, at, columns } = new Walk(worker, kind).next(hours * SAMPLES_PER_HOUR);
      const values = columns.get(key) as Float64Array;
      const lines = Array.from(
        values,
        (value, index) => `${name}{worker="${workerId}"} ${value} ${(at[index] as number) / 1000}\n`,
      );
      if (!file.write(lines.join(''))) await once(file, 'drain');
    }
  }
  file.end('# EOF\n');
  await once(file, 'close');
}
