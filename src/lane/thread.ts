/** The thread around a lane: built as one small bundle, since each thread loads it anew. */
import { parentPort } from 'node:worker_threads';
import { systemClock } from '../lib/clock.ts';
import { portOf } from '../lib/ports.ts';
import { Lane } from './lane.ts';

if (parentPort === null) throw new Error('lane/thread runs in a worker_thread only');
new Lane(portOf(parentPort), systemClock);
