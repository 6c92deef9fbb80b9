/** Another checkout of this repository; its own runner runs its benches. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { ComparedRow } from './comparison.ts';

const run = promisify(execFile);
/** Limits the output of a bench; only its rows are read. */
const MAX_OUTPUT_BYTES = 64 * 1024 ** 2;

export class Checkout {
  readonly directory: string;

  /** @throws unless it has benches */
  constructor(directory: string) {
    this.directory = resolve(directory);
    if (!existsSync(join(this.directory, 'bench/run.ts'))) {
      throw new Error(`${directory}: expected a checkout of Pulselane, with bench/run.ts`);
    }
  }

  /** Installs and builds what is missing. */
  async build(): Promise<void> {
    await this.#run('node', 'scripts/bootstrap.mjs', 'build');
  }

  /** Runs one bench once with --quick. @throws its output if it fails, or if there is no bench of that name */
  async ask(bench: string): Promise<ComparedRow[]> {
    const directory = await mkdtemp(join(tmpdir(), 'pulselane-bench-'));
    const file = join(directory, 'rows.json');
    try {
      await this.#run('node_modules/.bin/node', 'bench/run.ts', '--only', bench, '--quick', '--json', file);
      return (JSON.parse(await readFile(file, 'utf8')) as { rows: ComparedRow[] }).rows;
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  async #run(program: string, ...parameters: string[]): Promise<void> {
    try {
      await run(program, parameters, { cwd: this.directory, maxBuffer: MAX_OUTPUT_BYTES });
    } catch (error) {
      const { stderr = '', message } = error as Error & { stderr?: string };
      throw new Error(`${this.directory}: ${stderr.trim() === '' ? message : stderr.trim()}`);
    }
  }
}
