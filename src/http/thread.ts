/** The thread around the HTTP server. */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../lib/clock.ts';
import { portOf } from '../lib/ports.ts';
import type { HttpThreadData } from './messages.ts';
import { serveOverPort } from './port-side.ts';

if (parentPort === null) throw new Error('http/thread runs in a worker_thread only');
serveOverPort(portOf(parentPort), workerData as HttpThreadData, systemClock);
