/**
 * Runs `npm ci` in a folder with a lockfile if its packages do not match the lockfile. A stamp remembers that they do. The stamp
 * covers npm's own record of what it installed (node_modules/.package-lock.json), so that after a developer's `npm install`
 * no stale stamp remains and nothing is installed again.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './step.mjs';

const FLAGS = [
  '--no-audit',
  '--no-fund',
  '--loglevel=error',
  // No package here needs its install script; npm 11 asks before it runs one, older versions just run it.
  '--ignore-scripts',
  // Install development tools even with NODE_ENV=production: the build needs the compiler.
  '--include=dev',
  '--include=optional',
];

/**
 * @typedef {object} LockedPackage
 * @property {string} version
 * @property {string} [integrity]
 * @property {boolean} [optional]
 * @property {boolean} [link]
 * @property {string | string[]} [os]
 * @property {string | string[]} [cpu]
 * @property {string | string[]} [libc]
 */

/**
 * Whether the folder's packages are installed. A manual install counts too, and gets its stamp here.
 * @param {string} folder
 */
export function isInstalled(folder) {
  if (read(stampPath(folder)) === currentStamp(folder)) return true;
  if (!satisfiesLockfile(folder, process)) return false;
  stamp(folder);
  return true;
}

/**
 * Whether npm's record of what is installed matches the lockfile, as far as this machine needs it.
 * @param {string} folder
 * @param {{ platform: string, arch: string }} machine
 */
export function satisfiesLockfile(folder, { platform, arch }) {
  const wanted = lockedPackages(join(folder, 'package-lock.json'));
  const found = lockedPackages(join(folder, 'node_modules', '.package-lock.json'));
  if (wanted === undefined || found === undefined) return false;
  for (const [path, locked] of Object.entries(wanted)) {
    const match = found[path];
    if (path === '' || (match === undefined && locked.optional && !isMadeFor(locked, platform, arch))) continue;
    if (match?.version !== locked.version || match.integrity !== locked.integrity) return false;
  }
  return Object.keys(found).every((path) => path in wanted);
}

/**
 * Installs a folder's packages from scratch.
 * @param {string} folder
 */
export function install(folder) {
  run(`npm ci in ${folder} (is the npm registry reachable?)`, [...npmCommand(), 'ci', ...FLAGS], folder);
  stamp(folder);
}

/** @param {string} folder */
function stamp(folder) {
  writeFileSync(stampPath(folder), currentStamp(folder));
}

/**
 * The npm that runs this script, with the Node it runs on: the pinned Node is first in PATH and may be too new for it.
 * @returns {string[]}
 */
function npmCommand() {
  const { npm_execpath: npm, npm_node_execpath: node } = process.env;
  return npm?.endsWith('npm-cli.js') ? [node ?? process.execPath, npm] : ['npm'];
}

/** @param {string} folder */
function currentStamp(folder) {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}`);
  for (const file of ['package-lock.json', join('node_modules', '.package-lock.json')]) {
    hash.update(`\0${read(join(folder, file)) ?? ''}`);
  }
  return hash.digest('hex');
}

/** @param {string} folder */
function stampPath(folder) {
  return join(folder, 'node_modules', '.pulselane-stamp');
}

/**
 * Whether a package is meant for this machine. One without restrictions may still be needed only by another machine's packages.
 * @param {LockedPackage} locked
 * @param {string} platform
 * @param {string} arch
 */
function isMadeFor({ os, cpu, libc }, platform, arch) {
  if (os === undefined && cpu === undefined) return false;
  return allows(os, platform) && allows(cpu, arch) && allows(libc, 'glibc'); // the only C library that we run on
}

/**
 * @param {string | string[] | undefined} names with or without a leading "!"; undefined allows all
 * @param {string} name
 */
function allows(names, name) {
  if (names === undefined) return true;
  const list = [names].flat();
  if (list.includes(`!${name}`)) return false;
  return list.includes(name) || list.every((each) => each.startsWith('!'));
}

/**
 * @param {string} path
 * @returns {Record<string, LockedPackage> | undefined}
 */
function lockedPackages(path) {
  const text = read(path);
  return text === undefined ? undefined : JSON.parse(text).packages;
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
