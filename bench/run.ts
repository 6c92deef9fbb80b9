/** `npm run bench`: asks every bench its question and prints one table. */
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, platform, release } from 'node:os';
import { Command } from 'commander';
import { BENCHES } from './benches.ts';
import { type Bench, FULL, QUICK } from './lib/bench.ts';
import { Progress } from './lib/progress.ts';
import { type Figure, rowOf } from './lib/rows.ts';
import { disturbanceOf, tableOf } from './lib/table.ts';

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
const chosen = BENCHES.filter((bench) => wanted?.some((called) => isCalled(bench, called)) ?? true);

const progress = new Progress(process.stderr, chosen.length);
const figures: Figure[] = [];
const notes: string[] = [];
for (const bench of chosen) {
  progress.next();
  try {
    const context = { progress: (line: string) => progress.say(line), note: (line: string) => notes.push(line) };
    figures.push(...(await bench.run({ size: quick ? QUICK : FULL, ...context })));
  } catch (error) {
    // The others are asked all the same.
    progress.clear();
    process.stderr.write(`${bench.name} failed: ${error instanceof Error ? error.stack : error}\n`);
    process.exitCode = 1;
  }
}
progress.end();
const machine = `Node ${process.version}, ${availableParallelism()} × ${cpus()[0]?.model ?? 'CPU'}, ${platform()} ${release()}`;
const ends = [...notes, disturbanceOf(figures), `${machine}; ${progress.elapsed}`];
process.stdout.write(`${tableOf(figures)}\n${ends.join('\n')}\n`);
if (json !== undefined) await writeFile(json, `${JSON.stringify({ rows: figures.map(rowOf), notes }, null, 2)}\n`);
