/** Entry of a lane thread without a processor. Built as one small bundle, since each thread loads it anew. */
import { receiveMessageOnPort } from 'node:worker_threads';
import { systemClock } from '../lib/clock.ts';
import { takeThreadStart } from '../lib/thread-start.ts';
import { ApplyTimesWriter } from '../store/apply-times.ts';
import type { ByteRing } from '../store/byte-ring.ts';
import { Publications } from '../store/publications.ts';
import { AllowanceReader } from '../store/record-allowance.ts';
import { Lane } from './lane.ts';
import type { FromLane, LaneThreadData, ToLane } from './messages.ts';
import { OrderedPort } from './ordered-port.ts';
import { SleepingPort } from './sleeping-port.ts';

type PlainThreadData = LaneThreadData & { readonly ring: ByteRing };

const { port, data } = takeThreadStart<PlainThreadData>();
const orderedPort = new OrderedPort(
  {
    postMessage: (message) => port.postMessage(message),
    receive: () => receiveMessageOnPort(port),
    close: () => port.close(),
  },
  data.ring,
);
const sleepingPort = new SleepingPort<ToLane, FromLane>(orderedPort, data.bell);
const lane = new Lane(sleepingPort, {
  clock: systemClock,
  allowance: new AllowanceReader(data.allowance),
  publications: new Publications(data.publications),
  applyTimes: new ApplyTimesWriter(data.applyTimes, data.lane),
});
sleepingPort.onIdle(() => lane.idle());
sleepingPort.listen();
