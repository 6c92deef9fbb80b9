/** The agent's own thread: its port and the system's clock around a loop. */
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { systemClock } from '../lib/clock.ts';
import { portOf } from '../lib/ports.ts';
import { takeThreadStart } from '../lib/thread-start.ts';
import { BeatLoop } from './beat-loop.ts';
import type { FromThread, ToThread } from './messages.ts';

// grpc-js writes to stderr by itself what our own lines tell already.
setLogVerbosity(logVerbosity.NONE);
const { port } = takeThreadStart();
new BeatLoop({ port: portOf<ToThread, FromThread>(port), clock: systemClock });
