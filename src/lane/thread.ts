/** The thread around a lane: built as one small bundle, since each thread loads it anew. */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { systemClock } from '../lib/clock.ts';
import { portOf } from '../lib/ports.ts';
import { takeThreadStart } from '../lib/thread-start.ts';
import type { Bell } from '../store/bell.ts';
import { type Derive, Lane, type ServedWorker } from './lane.ts';
import type { FromLane, LaneThreadData, ProcessorSpec, ToLane } from './messages.ts';
import { loadProcessor, ProcessorHost } from './processor.ts';
import { SleepingPort } from './sleeping-port.ts';

const { port: ownPort, data } = takeThreadStart<LaneThreadData>();
if (data.processor === undefined) sleepAndServe(ownPort, data.bell);
else void serveWith(data.processor, ownPort);

function sleepAndServe(port: MessagePort, bellOfMain: Bell): never {
  const sleepingPort = new SleepingPort<ToLane, FromLane>(
    {
      postMessage: (message) => port.postMessage(message),
      receive: () => receiveMessageOnPort(port),
      close: () => port.close(),
    },
    bellOfMain,
  );
  new Lane(sleepingPort, systemClock);
  return sleepingPort.listen();
}

/** Not awaited by the module: what it fails with ends the thread all the same, and with a clearer message. */
async function serveWith(spec: ProcessorSpec, port: MessagePort): Promise<void> {
  const derive = await deriveBy(spec, port);
  new Lane(portOf<ToLane, FromLane>(port), systemClock, derive);
}

async function deriveBy({ url, offHeapBytes }: ProcessorSpec, port: MessagePort): Promise<Derive> {
  const host = new ProcessorHost<ServedWorker>({
    processor: await loadProcessor(url),
    offHeapBytes,
    onFault({ cause, reason, owner }) {
      const message: FromLane = { type: 'failed', cause, reason, slot: owner?.row, occupant: owner?.occupant };
      port.postMessage(message);
      process.exit(1);
    },
  });
  return (heartbeat, worker) => host.run(heartbeat, worker);
}
