/** The steps that prepare a clone, in order; each runs only if it has not been done. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, isBuilt } from './build.mjs';
import { install, isInstalled } from './install.mjs';
import { withLock } from './lock.mjs';
import { thisMachine, unsupportedReason } from './machine.mjs';
import { isLinked, link, pinnedNode } from './runtime.mjs';
import { announced } from './step.mjs';

/** The clone that contains this file. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * @typedef {object} Step
 * @property {string} [line] shown while it runs; none for a step that takes no time
 * @property {() => boolean} isDone
 * @property {() => void} perform
 */

/**
 * Prepares the clone. The message of a thrown error is meant for the user.
 * @param {{ build?: boolean, testTools?: boolean }} wanted besides the dependencies and the runtime
 */
export function prepare(wanted) {
  const reason = unsupportedReason(thisMachine());
  if (reason !== undefined) throw new Error(reason);
  const scratch = join(ROOT, '.bootstrap');
  const steps = stepsFor(wanted, scratch);
  if (steps.every(({ isDone }) => isDone())) return;
  mkdirSync(scratch, { recursive: true });
  withLock(join(scratch, 'lock'), () => {
    for (const { line, isDone, perform } of steps) {
      if (isDone()) continue;
      if (line === undefined) perform();
      else announced(line, perform);
    }
  });
}

/**
 * @param {{ build?: boolean, testTools?: boolean }} wanted
 * @param {string} scratch
 * @returns {Step[]}
 */
function stepsFor(wanted, scratch) {
  const steps = [
    installing('Installing dependencies (first start only)', ROOT),
    installing('Installing the Node to run on (first start only)', join(ROOT, 'scripts/runtime')),
    { isDone: () => isLinked(ROOT), perform: () => link(ROOT) },
  ];
  if (wanted.testTools) steps.push(installing('Installing test tools (first test only)', join(ROOT, 'test')));
  if (wanted.build) {
    steps.push({
      line: 'Building',
      isDone: () => isBuilt(ROOT),
      perform: () => build(ROOT, { node: pinnedNode(ROOT), scratch }),
    });
  }
  return steps;
}

/**
 * @param {string} line
 * @param {string} folder
 * @returns {Step}
 */
function installing(line, folder) {
  return { line, isDone: () => isInstalled(folder), perform: () => install(folder) };
}
