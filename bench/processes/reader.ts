/** A client of the HTTP API with one connection. */
import { answerParent } from '../lib/child.ts';
import { KeptConnection } from '../lib/kept-connection.ts';

export interface ReadSpec {
  readonly httpPort: number;
  /** Asked for in turn, each as soon as the last was answered. */
  readonly paths: readonly string[];
  readonly forMs: number;
}

export interface Reads {
  /** From the request to the last byte of its answer. */
  readonly latenciesMs: Float64Array;
  /** Of the last answer. */
  readonly bodyBytes: number;
}

const calls = {
  async read({ httpPort, paths, forMs }: ReadSpec): Promise<Reads> {
    const connection = new KeptConnection(httpPort);
    const latenciesMs: number[] = [];
    let bodyBytes = 0;
    const endMs = performance.now() + forMs;
    for (let nowMs = performance.now(); nowMs < endMs; ) {
      const startMs = nowMs;
      bodyBytes = await connection.get(paths[latenciesMs.length % paths.length] as string);
      nowMs = performance.now();
      latenciesMs.push(nowMs - startMs);
    }
    connection.close();
    return { latenciesMs: Float64Array.from(latenciesMs), bodyBytes };
  },
};
export type ReaderCalls = typeof calls;

answerParent(calls);
