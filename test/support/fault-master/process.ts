/** A whole master that can be made to suffer: its main thread blocked, its wall clock set. */

import { readdirSync } from 'node:fs';
import { answerParent } from '../../../bench/lib/child.ts';
import { startMaster } from '../../../src/app/master.ts';
import { masterOptions } from '../../../src/config/options.ts';
import { resolveOptions } from '../../../src/config/resolve.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/logging.ts';
import type { WorkerEvent } from '../../../src/model/events.ts';

export interface MasterPorts {
  readonly grpcPort: number;
  readonly httpPort: number;
}

export interface MasterUsage {
  readonly heapUsedBytes: number;
  /** Outside the heap, slots included. */
  readonly externalBytes: number;
  readonly rssBytes: number;
  /** Of the operating system. */
  readonly threads: number;
}

let master: Awaited<ReturnType<typeof startMaster>> | undefined;
let wallOffsetMs = 0;

const clock: Clock = { ...systemClock, wallMs: () => systemClock.wallMs() + wallOffsetMs };

const calls = {
  async start(settings: Readonly<Record<string, string>>): Promise<MasterPorts> {
    // A whole fleet comes from this one address, in a hurry.
    const environment = { MAX_HEARTBEAT_RATE: '0', MAX_PEER_HEARTBEAT_RATE: '0', ...settings };
    const config = resolveOptions(masterOptions, { flags: {}, environment, dotenv: {} });
    master = await startMaster(config, { logger: silentLogger, clock });
    return { grpcPort: master.grpcAddress.port, httpPort: master.httpAddress?.port ?? 0 };
  },

  /** All that it tells since it was started. */
  events(): readonly WorkerEvent[] {
    return master === undefined ? [] : master.manager.events.all();
  },

  knownIds(): string[] {
    return master === undefined ? [] : Array.from(master.manager.directory.all(), ({ workerId }) => workerId);
  },

  /** Answers when it is over, as does everything else. */
  block(forMs: number): void {
    const endMs = performance.now() + forMs;
    while (performance.now() < endMs);
  },

  jumpWallClock(byMs: number): void {
    wallOffsetMs += byMs;
  },

  /** As an operator does. */
  releaseBrakes(): number {
    return master?.manager.releaseBrakes() ?? 0;
  },

  usage(): MasterUsage {
    globalThis.gc?.();
    const { heapUsed, external, rss } = process.memoryUsage();
    return {
      heapUsedBytes: heapUsed,
      externalBytes: external,
      rssBytes: rss,
      threads: readdirSync('/proc/self/task').length,
    };
  },
};
export type FaultMasterCalls = typeof calls;

answerParent(calls, async () => {
  await master?.stop();
});
