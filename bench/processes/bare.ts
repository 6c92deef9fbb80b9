/** The bare server as a process. */
import { BareServer } from '../baseline/bare-server.ts';
import { answerParent } from '../lib/child.ts';
import { type ServerCalls, usage } from '../lib/server.ts';
import { monotonicMs } from '../lib/time.ts';

const server = new BareServer();

const calls: ServerCalls = {
  start: async () => ({ grpcPort: await server.listen(), httpPort: 0 }),
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

answerParent(calls);
