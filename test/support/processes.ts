/** Pulselane's own commands as real processes, with what they log. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';

const BIN = fileURLToPath(new URL('../../bin/pulselane.js', import.meta.url));

export interface LogLine {
  readonly msg: string;
  readonly [key: string]: unknown;
}

export class PulselaneProcess {
  readonly process: ChildProcess;
  readonly #folder = mkdtempSync(join(tmpdir(), 'pulselane-e2e-'));
  #stdout = '';
  #stderr = '';

  /**
   * Runs in an empty folder, so that no `.env` and no data of somebody else are in the way.
   * @param bin a script for this very Node, or a program that needs none
   */
  constructor(
    args: readonly string[],
    environment: Record<string, string> = {},
    bin: string | { readonly program: string } = BIN,
  ) {
    const [program, first] = typeof bin === 'string' ? [process.execPath, [bin]] : [bin.program, []];
    this.process = spawn(program, [...first, ...args], {
      cwd: this.#folder,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process.stdout?.on('data', (chunk) => {
      this.#stdout += chunk;
    });
    this.process.stderr?.on('data', (chunk) => {
      this.#stderr += chunk;
    });
  }

  /** Where it runs. */
  get folder(): string {
    return this.#folder;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get log(): LogLine[] {
    return this.#stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** The first log line that fits; fails when the process ends without it. */
  async logged(fits: (line: LogLine) => boolean): Promise<LogLine> {
    return eventually(() => {
      const line = this.log.find(fits);
      if (line === undefined && this.process.exitCode !== null) throw new Error(`it ended: ${this.#stderr}`);
      return line;
    });
  }

  /** Resolves with the exit code, or with the name of the signal that ended it. */
  async ended(): Promise<number | string> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      await new Promise((resolve) => this.process.once('close', resolve));
    }
    return this.process.exitCode ?? (this.process.signalCode as string);
  }

  /** For the end of a test, whatever happened in it. */
  async close(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The port in a `listening` line of a master's log. */
export async function portOf(master: PulselaneProcess, protocol: 'grpc' | 'http'): Promise<number> {
  const line = await master.logged(({ msg, protocol: of }) => msg === 'listening' && of === protocol);
  return Number(String(line.address).split(':').at(-1));
}
