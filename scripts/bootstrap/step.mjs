/** A long step of the bootstrap: runs a program, with one line on stderr that shows its duration. */
import { spawnSync } from 'node:child_process';

/** Enough for all errors of a compiler. */
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Runs a program to its end. Its output is shown only if it fails.
 * @param {string} what failed, for the error's message
 * @param {readonly string[]} command
 * @param {string} cwd
 */
export function run(what, [program = '', ...args], cwd) {
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: OUTPUT_BYTES_MAX,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (status === 0) return;
  const cause = error?.message ?? (signal === null ? `exit code ${status}` : `ended by ${signal}`);
  throw new Error([stdout?.trim(), stderr?.trim(), `${what} failed: ${cause}`].filter(Boolean).join('\n'));
}

/**
 * @param {string} line
 * @param {() => void} work
 */
export function announced(line, work) {
  const startedAtMs = performance.now();
  process.stderr.write(`${line}… `);
  try {
    work();
  } catch (error) {
    process.stderr.write('failed\n');
    throw error;
  }
  process.stderr.write(`${((performance.now() - startedAtMs) / 1000).toFixed(1)} s\n`);
}
