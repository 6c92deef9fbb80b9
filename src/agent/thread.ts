/** Entry of the agent's thread: a beat loop with the thread's port and the system clock. */
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { systemClock } from '../lib/clock.ts';
import { portOf } from '../lib/ports.ts';
import { takeThreadStart } from '../lib/thread-start.ts';
import { BeatLoop } from './beat-loop.ts';
import type { FromThread, ToThread } from './messages.ts';

// grpc-js would write to stderr what our own log lines say already.
setLogVerbosity(logVerbosity.NONE);
const { port } = takeThreadStart();
new BeatLoop({ port: portOf<ToThread, FromThread>(port), clock: systemClock });
