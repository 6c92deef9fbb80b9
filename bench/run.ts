/** `npm run bench`: runs every bench and prints one table. */
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, platform, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { BENCHES } from './benches.ts';
import { type Bench, FULL, QUICK, type Size } from './lib/bench.ts';
import { Checkout } from './lib/checkout.ts';
import { type ComparedRow, compare, comparisonTable, type Pair } from './lib/comparison.ts';
import { Progress } from './lib/progress.ts';
import { type Figure, rowOf } from './lib/rows.ts';
import { disturbanceOf, tableOf } from './lib/table.ts';

interface Options {
  readonly only?: string;
  readonly quick?: boolean;
  readonly json?: string;
  readonly against?: string;
  readonly turns: number;
}

const names = BENCHES.map(({ name }) => name).join(', ');
const { only, quick, json, against, turns } = new Command('npm run bench --')
  .option('--only <names>', `comma-separated, of: ${names}`)
  .option('--quick', 'run each once and shorter: rough figures')
  .option('--json <file>', 'also write the rows as JSON')
  .option('--against <directory>', 'compare with another checkout, running each bench in turn there and here')
  .option('--turns <count>', 'with --against: the number of turns, each with --quick', turnsOf, 3)
  .parse()
  .opts<Options>();

const wanted = only?.split(',');
/** `ingest` is all whose names begin so. */
const isCalled = ({ name }: Bench, called: string) => name === called || name.startsWith(`${called}-`);
const unknown = wanted?.find((called) => !BENCHES.some((bench) => isCalled(bench, called)));
if (unknown !== undefined) fail(`--only ${unknown}: expected one of ${names}`);
const chosen = BENCHES.filter((bench) => wanted?.some((called) => isCalled(bench, called)) ?? true);

const progress = new Progress(process.stderr, chosen.length);
const { text, written } = against === undefined ? await ask(quick ? QUICK : FULL) : await askBoth(against);
progress.end();
const machine = `Node ${process.version}, ${availableParallelism()} × ${cpus()[0]?.model ?? 'CPU'}, ${platform()} ${release()}`;
process.stdout.write(`${text}\n${machine}; ${progress.elapsed}\n`);
if (json !== undefined) await writeFile(json, `${JSON.stringify(written, null, 2)}\n`);

/** What is printed, and what is written as JSON. */
interface Answers {
  readonly text: string;
  readonly written: unknown;
}

async function ask(size: Size): Promise<Answers> {
  const figures: Figure[] = [];
  const notes: string[] = [];
  const context = { size, progress: (line: string) => progress.say(line), note: (line: string) => notes.push(line) };
  for (const bench of chosen) {
    progress.next();
    await orFailed(bench.name, async () => figures.push(...(await bench.run(context))));
  }
  const text = [tableOf(figures), ...notes, disturbanceOf(figures)].join('\n');
  return { text, written: { rows: figures.map(rowOf), notes } };
}

async function askBoth(directory: string): Promise<Answers> {
  const sides = { before: checkoutAt(directory), after: new Checkout(fileURLToPath(new URL('..', import.meta.url))) };
  progress.say(`building ${sides.before.directory}`);
  await sides.before.build();
  const rows = [];
  for (const { name } of chosen) {
    progress.next();
    const pairs: Pair[] = [];
    for (let turn = 1; turn <= turns; turn++) {
      const rowsOf = async (side: keyof typeof sides): Promise<ComparedRow[]> => {
        progress.say(`${name}: turn ${turn} of ${turns}, ${side}`);
        return (await orFailed(`${name} ${side}`, () => sides[side].ask(name))) ?? [];
      };
      pairs.push({ before: await rowsOf('before'), after: await rowsOf('after') });
    }
    rows.push(...compare(pairs));
  }
  const where = `before: ${sides.before.directory}; after: ${sides.after.directory}; medians of ${turns} turns`;
  return { text: `${comparisonTable(rows)}\n${where}`, written: { rows } };
}

/** The remaining benches still run. */
async function orFailed<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    progress.clear();
    process.stderr.write(`${what} failed: ${error instanceof Error ? error.stack : error}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

function checkoutAt(directory: string): Checkout {
  try {
    return new Checkout(directory);
  } catch (error) {
    return fail(`--against ${(error as Error).message}`);
  }
}

function turnsOf(text: string): number {
  const count = Number(text);
  return Number.isInteger(count) && count > 0 ? count : fail(`--turns ${text}: expected a count of at least 1`);
}

function fail(line: string): never {
  process.stderr.write(`${line}\n`);
  process.exit(2);
}
