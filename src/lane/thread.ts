/** The thread around a lane: built as one small bundle, since each thread loads it anew. */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { systemClock } from '../lib/clock.ts';
import { portOf } from '../lib/ports.ts';
import { takeThreadStart } from '../lib/thread-start.ts';
import type { Bell } from '../store/bell.ts';
import { type LedgerMemory, LedgerWriter } from '../store/lane-ledger.ts';
import { AllowanceReader } from '../store/record-allowance.ts';
import { Account } from './account.ts';
import { type CustomCode, Lane, type ServedWorker } from './lane.ts';
import type { FromLane, LaneThreadData, ProcessorSpec, ToLane } from './messages.ts';
import { OffHeap } from './off-heap.ts';
import { loadProcessor, type ProcessorFault, ProcessorHost } from './processor.ts';
import { SleepingPort } from './sleeping-port.ts';

const { port: ownPort, data } = takeThreadStart<LaneThreadData>();
const { processor, bell, ledger } = data;
const allowance = new AllowanceReader(data.allowance);
if (processor === undefined || ledger === undefined) sleepAndServe(ownPort, bell);
else void serveWith(processor, ownPort, ledger);

function sleepAndServe(port: MessagePort, bellOfMain: Bell): never {
  const sleepingPort = new SleepingPort<ToLane, FromLane>(
    {
      postMessage: (message) => port.postMessage(message),
      receive: () => receiveMessageOnPort(port),
      close: () => port.close(),
    },
    bellOfMain,
  );
  const lane = new Lane(sleepingPort, { clock: systemClock, allowance });
  sleepingPort.onIdle(() => lane.idle());
  return sleepingPort.listen();
}

/** Not awaited by the module: what it fails with ends the thread all the same, and with a clearer message. */
async function serveWith(spec: ProcessorSpec, port: MessagePort, ledgerOfMain: LedgerMemory): Promise<void> {
  const custom = await customCode(spec, port, ledgerOfMain);
  const lane = new Lane(portOf<ToLane, FromLane>(port), { clock: systemClock, custom, allowance });
  port.on('message', () => setImmediate(() => lane.idle()));
}

async function customCode(
  { url, offHeapBytes }: ProcessorSpec,
  port: MessagePort,
  ledgerOfMain: LedgerMemory,
): Promise<CustomCode> {
  const ledger = new LedgerWriter(ledgerOfMain);
  const account = new Account<ServedWorker>(ledger);
  const onFault = ({ cause, reason, owner }: ProcessorFault<ServedWorker>) => {
    const message: FromLane = { type: 'failed', cause, reason, slot: owner?.row, occupant: owner?.occupant };
    port.postMessage(message);
    process.exit(1);
  };
  const offHeap = new OffHeap<ServedWorker>(offHeapBytes, () => account.owner, onFault);
  const host = new ProcessorHost<ServedWorker>({ processor: await loadProcessor(url), offHeap, account, onFault });
  return {
    derive: (heartbeat, worker) => host.run(heartbeat, worker),
    isHeld: ({ row }) => ledger.isHeld(row),
  };
}
