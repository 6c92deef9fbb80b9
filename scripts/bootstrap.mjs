/**
 * Makes a clone ready to run, then ends: what is to run comes after it in package.json, so that no second process
 * lives beside a master. Plain JavaScript without dependencies for Node 18 and newer, since nothing is there yet.
 *
 *     node scripts/bootstrap.mjs [build] [test-tools]
 */
import { prepare } from './bootstrap/prepare.mjs';

const wanted = process.argv.slice(2);
try {
  prepare({ build: wanted.includes('build'), testTools: wanted.includes('test-tools') });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
