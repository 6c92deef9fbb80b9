/** The server of Hono and zod as a process. */
import { ZodServer } from '../baseline/zod-server.ts';
import { answerParent } from '../lib/child.ts';
import { type ServerCalls, usage } from '../lib/server.ts';
import { monotonicMs } from '../lib/time.ts';

const server = new ZodServer();

const calls: ServerCalls = {
  start: async () => ({ grpcPort: 0, httpPort: await server.listen() }),
  counts: () => ({
    atMs: monotonicMs(),
    accepted: server.accepted,
    applied: server.accepted,
    replaced: 0,
    rejected: 0,
    lost: 0,
  }),
  applied: (workers) => new Uint32Array(workers).fill(server.accepted / workers),
  usage,
};
export type ZodCalls = typeof calls;

answerParent(calls);
