/** The plain server as a process. */
import { PlainServer } from '../baseline/plain-server.ts';
import { answerParent } from '../lib/child.ts';
import { type ServerCalls, usage } from '../lib/server.ts';
import { monotonicMs } from '../lib/time.ts';

const server = new PlainServer();

const calls: ServerCalls = {
  start: () => server.listen(),
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

answerParent(calls);
