/** Keeps the memory of an agent, and of what a task is wrapped in, small. Imported before all else, by every entry that the program has. */
import { setFlagsFromString } from 'node:v8';

if (['agent', 'task'].includes(process.argv[2] ?? '')) keepSmall();

/**
 * They wake up every few seconds and compute next to nothing. V8's compilers for code that runs often, and what they make,
 * would take 4 MB of it, and room for new objects that grows another 2 MB. That is said before anything else is loaded, since a
 * compiler that has run once stays in memory. A Node that is too old to run the program may not know the flags.
 */
function keepSmall() {
  if (Number.parseInt(process.versions.node, 10) < 24) return;
  for (const flag of ['--no-opt', '--no-maglev', '--no-sparkplug', '--semi-space-growth-factor=1']) {
    setFlagsFromString(flag);
  }
}
