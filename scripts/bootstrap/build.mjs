/**
 * Builds src/ into dist/: TypeScript to JavaScript file by file, and each thread as one bundle. A program reads the bundles once
 * and starts threads from memory, even if the package's files are gone by then. The build happens elsewhere and is moved into
 * place, so dist/ is complete or missing.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './step.mjs';

/** The inputs of a build. The lockfile is one, because it names the compiler and what goes into the bundles. */
const INPUTS = [
  'src',
  'tsconfig.json',
  'tsconfig.build.json',
  'package.json',
  'package-lock.json',
  'scripts/bootstrap/build.mjs',
  'scripts/bootstrap/bundle.mjs',
  'scripts/shell-files.ts',
  'scripts/bootstrap/bundled-packages.mjs',
];

/** Threads shipped as one script with all their packages: those of lib/threads.ts. */
export const BUNDLED_THREADS = [
  'lane/thread',
  'lane/processor-thread',
  'http/thread',
  'http/query/thread',
  'history/thread',
  'http/history/thread',
  'http/metrics/thread',
  'metrics/export/thread',
  'app/alerts/thread',
  'agent/thread',
];

/** @param {string} root */
export function isBuilt(root) {
  const path = stampPath(join(root, 'dist'));
  return existsSync(path) && readFileSync(path, 'utf8') === inputsHash(root);
}

/**
 * @param {string} root
 * @param {{ node: string, scratch: string }} tools the Node to build with and a folder to build in
 */
export function build(root, { node, scratch }) {
  // Hashed first: a file that changes during the build leaves a stamp that no longer matches.
  const hash = inputsHash(root);
  const next = join(scratch, 'dist-next');
  const previous = join(scratch, 'dist-previous');
  for (const leftover of [next, previous]) rmSync(leftover, { recursive: true, force: true });
  mkdirSync(next, { recursive: true });

  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  // Without type checks: `npm run check` and `npm test` do these, for all code and not only src/.
  run('Compiling', [node, tsc, '-p', 'tsconfig.build.json', '--noCheck', '--outDir', next], root);
  const bundle = join(root, 'scripts/bootstrap/bundle.mjs');
  run('Bundling', [node, bundle, next, ...BUNDLED_THREADS], root);
  const shellFiles = join(root, 'scripts/shell-files.ts');
  run('Writing completions and man page', [node, shellFiles, join(next, 'share')], root);
  writeFileSync(stampPath(next), hash);

  const dist = join(root, 'dist');
  if (existsSync(dist)) renameSync(dist, previous);
  renameSync(next, dist);
  rmSync(previous, { recursive: true, force: true });
}

/**
 * A hash over the paths and contents of all inputs. Contents and not times: a checkout sets new times.
 * @param {string} root
 */
export function inputsHash(root) {
  const hash = createHash('sha256');
  for (const input of INPUTS) addInput(hash, root, input);
  return hash.digest('hex');
}

/**
 * @param {import('node:crypto').Hash} hash
 * @param {string} root
 * @param {string} path
 */
function addInput(hash, root, path) {
  const children = readFolder(join(root, path));
  if (children === undefined) {
    const content = readFileSync(join(root, path));
    hash.update(`${path}\0${content.length}\0`).update(content);
    return;
  }
  for (const child of children.sort()) addInput(hash, root, `${path}/${child}`);
}

/**
 * @param {string} path
 * @returns {string[] | undefined} undefined for a file
 */
function readFolder(path) {
  try {
    return readdirSync(path);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** @param {string} dist */
function stampPath(dist) {
  return join(dist, '.inputs');
}
