/** The fleet: one load at a time, see load/load.ts. */
import { answerParent } from '../lib/child.ts';
import { closedHttp } from '../load/closed-http.ts';
import { closedStreams } from '../load/closed-streams.ts';
import { closedUnary } from '../load/closed-unary.ts';
import { flood } from '../load/flood.ts';
import { freshUnary } from '../load/fresh-unary.ts';
import type { Load, LoadSpec, LoadStats, Released } from '../load/load.ts';
import { steadyStreams } from '../load/steady-streams.ts';
import { storm } from '../load/storm.ts';

let load: Load | undefined;

const calls = {
  start(spec: LoadSpec): void {
    load = loadOf(spec);
  },

  setRate(perSecond: number): void {
    load?.setRate?.(perSecond);
  },

  /** See `ClosedStreamsSpec`. */
  applied(ofWorkers: Uint32Array): void {
    load?.applied?.(ofWorkers);
  },

  /** See `StormSpec`. */
  release(): Promise<Released> {
    if (load?.release === undefined) throw new Error('there is no storm');
    return load.release();
  },

  sent(): number {
    return load?.stats.sent ?? 0;
  },

  /** Since the start; latencies since anybody asked. */
  stats(): LoadStats {
    if (load === undefined) throw new Error('there is no load');
    const stats = { ...load.stats };
    load.stats.latenciesMs = [];
    return stats;
  },

  /** Sends no more, waits for acks. @returns what was sent in all. @throws if anything has failed. */
  async stop(): Promise<number> {
    if (load === undefined) throw new Error('there is no load');
    await load.stop();
    const { sent, failed } = load.stats;
    if (failed > 0) throw new Error(`${failed} of ${sent} calls or streams have failed`);
    return sent;
  },
};
export type LoadCalls = typeof calls;

answerParent(calls);

function loadOf(spec: LoadSpec): Load {
  switch (spec.type) {
    case 'closed-http':
      return closedHttp(spec);
    case 'closed-unary':
      return closedUnary(spec);
    case 'closed-streams':
      return closedStreams(spec);
    case 'steady-streams':
      return steadyStreams(spec);
    case 'fresh-unary':
      return freshUnary(spec);
    case 'flood':
      return flood(spec);
    case 'storm':
      return storm(spec);
    default:
      return spec satisfies never;
  }
}
