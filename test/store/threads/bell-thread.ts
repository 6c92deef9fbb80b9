/** Takes messages from a port beside a bell, as a lane does, and counts them where the other side sees it. */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { SleepingPort } from '../../../src/lane/sleeping-port.ts';

const { port, bell, counted, blocks } = workerData as {
  port: MessagePort;
  bell: SharedArrayBuffer;
  counted: Int32Array;
  blocks: boolean;
};
const sleeping = new SleepingPort<number, never>(
  { postMessage() {}, receive: () => receiveMessageOnPort(port), close() {} },
  bell,
);
sleeping.onMessage((message) => {
  // Out of order it is told as well: the other side waits for a number that does not come.
  if (message === Atomics.load(counted, 0) + 1) Atomics.add(counted, 0, 1);
});
port.ref();
if (blocks) sleeping.listen();
else sleeping.listenBetween((turn) => setImmediate(turn));
