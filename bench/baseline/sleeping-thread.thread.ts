/** The thread of {@link SleepingThread}. */
import { parentPort, workerData } from 'node:worker_threads';
import { monotonicMs } from '../lib/time.ts';
import { Said, type SleeperData } from './sleeping-thread-memory.ts';

const { how, memory } = workerData as SleeperData;
const said = new Said(memory);
monotonicMs();
if (how === 'port') parentPort?.on('message', () => said.answer(monotonicMs()));
parentPort?.postMessage('sleeps');
if (how === 'bell') {
  for (let answered = 0; ; answered++) {
    while (said.rings === answered) said.waitBeyond(answered);
    said.answer(monotonicMs());
  }
}
