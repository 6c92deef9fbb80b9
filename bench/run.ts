/** `npm run bench`: asks every bench its question and prints one table. */
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, platform, release } from 'node:os';
import { Command } from 'commander';
import { promises } from './flow/promises.ts';
import { type Bench, FULL, QUICK } from './lib/bench.ts';
import type { Row } from './lib/rows.ts';
import { tableOf } from './lib/table.ts';
import { laneCost } from './micro/lane-cost.ts';

const BENCHES: readonly Bench[] = [promises, laneCost];
const FULL_RUNS = 3;

const { only, quick, json } = new Command('npm run bench --')
  .option('--only <names>', `comma-separated, of: ${BENCHES.map(({ name }) => name).join(', ')}`)
  .option('--quick', 'smaller and once: a rough answer within a minute')
  .option('--json <file>', 'also write the rows as JSON')
  .parse()
  .opts<{ only?: string; quick?: boolean; json?: string }>();

const names = only?.split(',');
const unknown = names?.find((name) => !BENCHES.some((bench) => bench.name === name));
if (unknown !== undefined) {
  process.stderr.write(`--only ${unknown}: expected one of ${BENCHES.map(({ name }) => name).join(', ')}\n`);
  process.exit(2);
}

const rows: Row[] = [];
for (const bench of BENCHES) {
  if (names !== undefined && !names.includes(bench.name)) continue;
  rows.push(
    ...(await bench.run({
      sizes: quick ? QUICK : FULL,
      runs: quick ? 1 : FULL_RUNS,
      progress: (line) => process.stderr.write(`${line}\n`),
    })),
  );
}
const machine = `Node ${process.version}, ${availableParallelism()} × ${cpus()[0]?.model ?? 'CPU'}, ${platform()} ${release()}`;
process.stdout.write(`${tableOf(rows)}\n${machine}\n`);
if (json !== undefined) await writeFile(json, `${JSON.stringify({ rows }, null, 2)}\n`);
