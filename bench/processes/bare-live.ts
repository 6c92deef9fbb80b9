/** The bare live stream as a process. */
import { BareLive } from '../baseline/bare-live.ts';
import { answerParent } from '../lib/child.ts';
import { usage } from '../lib/server.ts';
import type { Published } from './followers.ts';

let live: BareLive | undefined;

const calls = {
  /** @returns the port. */
  start(workers: number, perSecond: number): Promise<number> {
    live = new BareLive(workers, perSecond);
    return live.listen();
  },
  setRate: (perSecond: number): void => live?.setRate(perSecond),
  /** Of each worker, the newest. */
  published: (): readonly Published[] => live?.published ?? [],
  usage,
};
export type BareLiveCalls = typeof calls;

answerParent(calls);
