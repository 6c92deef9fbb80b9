/**
 * Prepares a clone and exits; package.json then starts the actual program, so that no second process stays beside a
 * master. Plain JavaScript without dependencies for Node 18 and newer, because nothing is installed yet.
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
