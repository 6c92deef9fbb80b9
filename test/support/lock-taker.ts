/** A program that locks each directory that is named on its input, and tells the outcome: a line for each. */
import { createInterface } from 'node:readline';
import { systemClock } from '../../src/lib/clock.ts';
import { lockDirectory } from '../../src/lib/directory-lock.ts';
import { messageOf } from '../../src/lib/errors.ts';
import { silentLogger } from '../../src/lib/logging.ts';

process.stdout.write('ready\n');
for await (const dataDir of createInterface({ input: process.stdin })) {
  await lockDirectory(dataDir, { clock: systemClock, logger: silentLogger, onLost: () => {} }).then(
    () => process.stdout.write('held\n'),
    (error: unknown) => process.stdout.write(`${messageOf(error)}\n`),
  );
}
