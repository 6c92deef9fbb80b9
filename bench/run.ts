/** `npm run bench`: asks every bench its question and prints one table. */
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, platform, release } from 'node:os';
import { Command } from 'commander';
import { BENCHES } from './benches.ts';
import { type Bench, FULL, QUICK } from './lib/bench.ts';
import { type Figure, rowOf } from './lib/rows.ts';
import { tableOf } from './lib/table.ts';

const names = BENCHES.map(({ name }) => name).join(', ');
const { only, quick, json } = new Command('npm run bench --')
  .option('--only <names>', `comma-separated, of: ${names}`)
  .option('--quick', 'shorter and once: a rough answer')
  .option('--json <file>', 'also write the rows as JSON')
  .parse()
  .opts<{ only?: string; quick?: boolean; json?: string }>();

const wanted = only?.split(',');
/** `ingest` is all whose names begin so. */
const isCalled = ({ name }: Bench, called: string) => name === called || name.startsWith(`${called}-`);
const unknown = wanted?.find((called) => !BENCHES.some((bench) => isCalled(bench, called)));
if (unknown !== undefined) {
  process.stderr.write(`--only ${unknown}: expected one of ${names}\n`);
  process.exit(2);
}

const startMs = performance.now();
const seconds = () => `${((performance.now() - startMs) / 1000).toFixed(0)} s`;
const figures: Figure[] = [];
for (const bench of BENCHES) {
  if (wanted !== undefined && !wanted.some((called) => isCalled(bench, called))) continue;
  try {
    const progress = (line: string) => process.stderr.write(`${seconds().padStart(5)}  ${line}\n`);
    figures.push(...(await bench.run({ size: quick ? QUICK : FULL, progress })));
  } catch (error) {
    // The others are asked all the same.
    process.stderr.write(`${bench.name} failed: ${error instanceof Error ? error.stack : error}\n`);
    process.exitCode = 1;
  }
}
const machine = `Node ${process.version}, ${availableParallelism()} × ${cpus()[0]?.model ?? 'CPU'}, ${platform()} ${release()}`;
process.stdout.write(`${tableOf(figures)}\n${machine}; ${seconds()}\n`);
if (json !== undefined) await writeFile(json, `${JSON.stringify({ rows: figures.map(rowOf) }, null, 2)}\n`);
