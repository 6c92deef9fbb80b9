/**
 * The thread's side of a start (the other is threads.ts): its private port and what it is given to begin with.
 *
 * Everything in a thread can reach `parentPort` and `workerData`, an operator's processor included. So neither is used:
 * messages go over a port that only the thread's entry gets hold of, here, before it loads anything else; `workerData`
 * is emptied and `parentPort` closed, so that nothing sent there reaches the other side.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';

export interface ThreadStart<Data> {
  readonly port: MessagePort;
  readonly data: Data;
}

/** Can be called once. @throws Error outside of a thread, or when it was called before */
export function takeThreadStart<Data>(): ThreadStart<Data> {
  const given = workerData as Partial<ThreadStart<Data>> | null;
  const { port, data } = given ?? {};
  if (parentPort === null || port === undefined) throw new Error('this file is the entry of a thread');
  for (const name of Object.keys(given as object)) Reflect.deleteProperty(given as object, name);
  parentPort.close();
  return { port, data: data as Data };
}
