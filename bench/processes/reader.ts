/** A client of the HTTP API with one connection. */
import { answerParent } from '../lib/child.ts';
import { KeptConnection } from '../lib/kept-connection.ts';
import { sleepMs } from '../lib/time.ts';

export interface ReadSpec {
  readonly httpPort: number;
  /** Asked for in turn, each as soon as the last was answered. */
  readonly paths: readonly string[];
  readonly forMs: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** From the start of a request to that of the next; 0 or absent: as soon as the last was answered. */
  readonly everyMs?: number;
  /** At least so many requests, however long they take. */
  readonly least?: number;
}

export interface Reads {
  /** From the request to the last byte of its answer. */
  readonly latenciesMs: Float64Array;
  /** Of the last answer. */
  readonly bodyBytes: number;
}

const calls = {
  async read({ httpPort, paths, forMs, headers, everyMs = 0, least = 0 }: ReadSpec): Promise<Reads> {
    const connection = new KeptConnection(httpPort);
    const latenciesMs: number[] = [];
    let bodyBytes = 0;
    const endMs = performance.now() + forMs;
    for (let nowMs = performance.now(); nowMs < endMs || latenciesMs.length < least; ) {
      const startMs = nowMs;
      bodyBytes = await connection.get(paths[latenciesMs.length % paths.length] as string, headers);
      nowMs = performance.now();
      latenciesMs.push(nowMs - startMs);
      const restMs = startMs + everyMs - nowMs;
      if (restMs > 0) await sleepMs(restMs);
      nowMs = performance.now();
    }
    connection.close();
    return { latenciesMs: Float64Array.from(latenciesMs), bodyBytes };
  },
};
export type ReaderCalls = typeof calls;

answerParent(calls);
