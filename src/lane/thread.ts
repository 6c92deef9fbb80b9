/** The thread around a lane: built as one small bundle, since each thread loads it anew. */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../lib/clock.ts';
import { type Port, portOf } from '../lib/ports.ts';
import { type Derive, Lane, type ServedWorker } from './lane.ts';
import type { FromLane, LaneThreadData, ProcessorSpec, ToLane } from './messages.ts';
import { loadProcessor, ProcessorHost } from './processor.ts';

if (parentPort === null) throw new Error('lane/thread runs in a worker_thread only');
const port = portOf<ToLane, FromLane>(parentPort);
const { processor } = workerData as LaneThreadData;
new Lane(port, systemClock, processor === undefined ? undefined : await deriveBy(processor, port));

async function deriveBy(
  { url, offHeapBytes }: ProcessorSpec,
  { postMessage }: Port<ToLane, FromLane>,
): Promise<Derive> {
  const host = new ProcessorHost<ServedWorker>({
    processor: await loadProcessor(url),
    offHeapBytes,
    onFault({ cause, reason, owner }) {
      postMessage({ type: 'failed', cause, reason, slot: owner?.row, occupant: owner?.occupant });
      process.exit(1);
    },
  });
  return (heartbeat, worker) => host.run(heartbeat, worker);
}
