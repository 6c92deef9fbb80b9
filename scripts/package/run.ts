/**
 * `npm run package [-- tarball|deb|executable …]`: makes them, all if none is named, in `packages/`, and lists what is there.
 */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { KINDS, type Kind, makePackages } from './packages.ts';
import { type Packed, ROOT } from './parts.ts';

const FOLDER = 'packages';

async function run(asked: readonly string[]): Promise<void> {
  const unknown = asked.find((kind) => !(KINDS as readonly string[]).includes(kind));
  if (unknown !== undefined) {
    throw new Error(`unknown package ${JSON.stringify(unknown)}: expected ${KINDS.join(', ')}, or none for all`);
  }
  const kinds = asked.length === 0 ? KINDS : (asked as readonly Kind[]);
  const folder = join(ROOT, FOLDER);
  // Nothing of an earlier version is to lie beside what is made now.
  if (asked.length === 0) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const progress = new Progress();
  const leftOut: string[] = [];
  try {
    const packed = await makePackages({
      kinds,
      folder,
      onStep: (line) => progress.begin(line),
      onLeftOut: (kind, reason) => leftOut.push(`No ${kind}: ${reason}`),
    });
    progress.end();
    if (packed.length > 0) process.stdout.write(`\n${listOf(packed)}`);
  } catch (error) {
    progress.failed();
    throw error;
  } finally {
    for (const line of leftOut) process.stderr.write(`${line}\n`);
  }
  // Asked for by name, and not there.
  if (asked.length > 0 && leftOut.length > 0) process.exitCode = 1;
}

/** One line for each step, with how long it took. */
class Progress {
  #beganAtMs: number | undefined;

  begin(line: string): void {
    this.end();
    this.#beganAtMs = performance.now();
    process.stderr.write(`${line}… `);
  }

  failed(): void {
    if (this.#beganAtMs !== undefined) process.stderr.write('failed\n');
    this.#beganAtMs = undefined;
  }

  end(): void {
    if (this.#beganAtMs === undefined) return;
    process.stderr.write(`${((performance.now() - this.#beganAtMs) / 1000).toFixed(1)} s\n`);
    this.#beganAtMs = undefined;
  }
}

function listOf(packed: readonly Packed[]): string {
  const rows = packed.map(({ file, purpose }) => {
    const size = `${(statSync(file).size / 1e6).toFixed(1)} MB`;
    return [`${FOLDER}/${basename(file)}`, size, purpose] as const;
  });
  const [nameWidth, sizeWidth] = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  return rows
    .map(
      ([name, size, purpose]) =>
        `${name.padEnd(nameWidth as number)}  ${size.padStart(sizeWidth as number)}  ${purpose}\n`,
    )
    .join('');
}

await run(process.argv.slice(2)).catch((error: Error & { stderr?: Buffer }) => {
  process.stderr.write(`${error.stderr ?? ''}${error.message}\n`);
  process.exitCode = 1;
});
