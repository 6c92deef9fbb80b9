/** The bare server as a process. */
import { BareServer } from '../baseline/bare-server.ts';
import { serveConstants } from '../baseline/constant-server.ts';
import { answerParent } from '../lib/child.ts';
import { copiesMs } from '../lib/memcpy.ts';
import { type ServerCalls, usage } from '../lib/server.ts';
import { monotonicMs } from '../lib/time.ts';
import { type WakeUps, wakeUps } from '../lib/wake-ups.ts';

const server = new BareServer();

const serverCalls: ServerCalls = {
  // Constant bodies cost nothing while nobody asks for them.
  start: async () => ({ grpcPort: await server.listen(), httpPort: await serveConstants() }),
  counts: () => ({
    atMs: monotonicMs(),
    accepted: server.accepted,
    applied: server.accepted,
    replaced: 0,
    rejected: 0,
    lost: 0,
  }),
  // It does not look whose they are; the load comes in turns.
  applied: (workers) => new Uint32Array(workers).fill(server.accepted / workers),
  usage,
};

const calls = {
  ...serverCalls,
  /** What it takes to wake a thread of this process, which does nothing else, beside what the server does. */
  wakeUps: (forMs: number): Promise<WakeUps> => wakeUps('bell', forMs),
  copiesMs,
};
export type BareCalls = typeof calls;

answerParent(calls);
