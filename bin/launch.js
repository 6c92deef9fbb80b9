/**
 * Starts the program. In a clone it makes itself ready when nobody has yet, and goes on with the pinned Node when the
 * machine's own is too old; in an installed package neither is there to be done. Plain JavaScript that any Node reads.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import './first-moments.js';

endWithParent();

/**
 * Ends this process when its parent was killed, a master in order, where the parent is what the user started and would kill: an
 * older Node that runs this one in its place, or `npm start`. A killed process cannot signal its child, so the child
 * checks whether its parent is still the same.
 */
function endWithParent() {
  const parentPid = Number(process.env.PULSELANE_PARENT_PID);
  delete process.env.PULSELANE_PARENT_PID;
  if (!(parentPid > 1)) return;
  const timer = setInterval(() => {
    if (process.ppid === parentPid) return;
    clearInterval(timer);
    // Whoever kills an agent says no farewell, and its master is to see that it failed.
    process.kill(process.pid, process.argv[2] === 'agent' ? 'SIGKILL' : 'SIGTERM');
  }, 500).unref();
}

/** @param {string} relative to the package's folder */
const path = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

/**
 * Whether this Node is older than package.json's "engines" allows.
 * @param {string} needed such as "24.15"
 */
function isTooOld(needed) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [majorMin = 0, minorMin = 0] = needed.split('.').map(Number);
  return major < majorMin || (major === majorMin && minor < minorMin);
}

/**
 * Makes a clone ready; says whether another process has taken over.
 * @param {boolean} tooOld
 */
async function prepareClone(tooOld) {
  const { pinnedNode } = await import('../scripts/bootstrap/runtime.mjs');
  const node = pinnedNode(path(''));
  // Nothing is built over: what a running master has loaded changes only by `npm start` or `npm run build`.
  if (!existsSync(path('dist/main.js')) || !existsSync(node)) {
    const { prepare } = await import('../scripts/bootstrap/prepare.mjs');
    prepare({ build: true });
  }
  if (!tooOld) return false;
  const { become } = await import('../scripts/bootstrap/become.mjs');
  become(node, ['--disable-sigusr1', ...process.argv.slice(1)]);
  return true;
}

/** Whether the program is to run in this very process. */
async function isReady() {
  const needed = JSON.parse(readFileSync(path('package.json'), 'utf8')).engines.node.replace(/[^\d.]/g, '');
  const tooOld = isTooOld(needed);
  if (existsSync(path('scripts/bootstrap/prepare.mjs'))) return !(await prepareClone(tooOld));
  if (tooOld) throw new Error(`pulselane needs Node ${needed} or newer, and this is ${process.versions.node}`);
  return true;
}

const ready = await isReady().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
  return false;
});
// An agent runs on many machines, and for long, and so does what a task is wrapped in: their programs have nothing of a master's in them.
const main = ['agent', 'task'].includes(process.argv[2] ?? '') ? `${process.argv[2]}-main` : 'main';
if (ready) await import(new URL(`../dist/${main}.js`, import.meta.url).href);
