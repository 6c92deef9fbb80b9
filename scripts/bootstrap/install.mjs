/**
 * `npm ci` in a folder with a lockfile, when what is installed is not what the lockfile says. A stamp remembers the
 * answer. It covers npm's own account of what it installed (node_modules/.package-lock.json), so that a developer's
 * `npm install` neither leaves a stale stamp in force nor is done over.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './step.mjs';

const FLAGS = [
  '--no-audit',
  '--no-fund',
  '--loglevel=error',
  // No package here needs its install script; npm 11 asks before it runs one, older ones just run them.
  '--ignore-scripts',
  // Development tools even with NODE_ENV=production: without a compiler there is no build.
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
 * Whether the folder's packages are there. An install that somebody made by hand counts, and gets its stamp here.
 * @param {string} folder
 */
export function isInstalled(folder) {
  if (read(stampPath(folder)) === currentStamp(folder)) return true;
  if (!satisfiesLockfile(folder, process)) return false;
  stamp(folder);
  return true;
}

/**
 * Whether npm's own account of what is installed agrees with the lockfile, as far as it concerns this machine.
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
 * Installs a folder's packages anew.
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
 * The npm that runs us, with the Node that it runs on: the pinned Node comes first in PATH and may be too new for it.
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
 * Whether a package names this machine. One that names none may be needed only by another machine's packages.
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
