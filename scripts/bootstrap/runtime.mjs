/**
 * The pinned Node. Once installed it is linked as node_modules/.bin/node. npm puts that folder first in PATH, so every script,
 * and every tool that a script calls, runs on it.
 */
import { mkdirSync, readlinkSync, renameSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { RUNTIME_PACKAGES } from './machine.mjs';
import { run } from './step.mjs';

/** Slim images and minimal installations lack the library. */
const LIBATOMIC_ADVICE =
  'Node needs the library libatomic.so.1. Install it, then try again: `apt-get install libatomic1` on Debian and Ubuntu, `dnf install libatomic` on Fedora and RHEL.';

/**
 * Where the pinned Node is or will be installed.
 * @param {string} root
 * @returns {string}
 */
export function pinnedNode(root) {
  const name = /** @type {Record<string, string | undefined>} */ (RUNTIME_PACKAGES)[
    `${process.platform}-${process.arch}`
  ];
  return join(root, 'scripts/runtime/node_modules', name ?? 'none', 'bin/node');
}

/** @param {string} root */
export function isLinked(root) {
  try {
    return readlinkSync(linkPath(root)) === linkTarget(root);
  } catch {
    return false;
  }
}

/** @param {string} root */
export function link(root) {
  try {
    run('Starting the pinned Node', [pinnedNode(root), '--version'], root);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes('libatomic.so.1')) throw error;
    throw new Error(`${error.message}\n${LIBATOMIC_ADVICE}`);
  }
  const path = linkPath(root);
  mkdirSync(dirname(path), { recursive: true });
  const aside = `${path}.${process.pid}`;
  symlinkSync(linkTarget(root), aside);
  renameSync(aside, path);
}

/** @param {string} root */
function linkPath(root) {
  return join(root, 'node_modules/.bin/node');
}

/**
 * Relative, so that a clone can be moved.
 * @param {string} root
 */
function linkTarget(root) {
  return relative(dirname(linkPath(root)), pinnedNode(root));
}
