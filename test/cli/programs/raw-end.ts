/** Ends while it has the terminal tell of each key, and while a call of the system, of the FIFO named first, does not return. */
import { open } from 'node:fs';
import { endProcess } from '../../../src/cli/end-process.ts';
import { processStreams } from '../../../src/cli/process-streams.ts';
import { systemClock as clock } from '../../../src/lib/clock.ts';

const { answering, lasting } = processStreams(process, clock);
const { stdin } = answering;
stdin.setRawMode?.(true);
stdin.resume();
open(process.argv[2] as string, () => {});
await endProcess(7, { outputs: [], errors: lasting.stderr, stdin, clock });
