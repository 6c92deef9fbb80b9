/** The thread around the HTTP server. */
import { systemClock } from '../lib/clock.ts';
import { portOf } from '../lib/ports.ts';
import { takeThreadStart } from '../lib/thread-start.ts';
import type { HttpThreadData } from './messages.ts';
import { serveOverPort } from './port-side.ts';

const { port, data } = takeThreadStart<HttpThreadData>();
serveOverPort(portOf(port), data, systemClock);
