/**
 * The thread's side of a start (the other side is threads.ts): its private port and its initial data.
 *
 * All code in a thread can access `parentPort` and `workerData`, even an operator's processor. So neither is used:
 * messages go through a port that only the thread's entry gets, here, before it loads anything else; `workerData` is
 * emptied and `parentPort` closed, so that nothing sent there reaches the other side.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';

export interface ThreadStart<Data> {
  readonly port: MessagePort;
  readonly data: Data;
}

/** Can be called once. @throws Error outside a thread, or when called again */
export function takeThreadStart<Data>(): ThreadStart<Data> {
  const given = workerData as Partial<ThreadStart<Data>> | null;
  const { port, data } = given ?? {};
  if (parentPort === null || port === undefined) throw new Error('this file is the entry of a thread');
  for (const name of Object.keys(given as object)) Reflect.deleteProperty(given as object, name);
  parentPort.close();
  return { port, data: data as Data };
}
