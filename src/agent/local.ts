/** The agent that reports the master's own machine. */
import type { Logger } from '../lib/logging.ts';
import { Agent } from './agent.ts';

export interface LocalAgentOptions {
  /** `host:port` where the master of this process takes heartbeats. */
  readonly master: string;
  readonly workerId: string;
  readonly intervalMs?: number;
  readonly logger?: Logger;
}

/** Starts an agent beside a master, for `pulselane master --with-agent`; the caller stops it before the master. */
export async function startLocalAgent({ master, workerId, intervalMs, logger }: LocalAgentOptions): Promise<Agent> {
  const agent = new Agent({ master, workerId, intervalMs, logger });
  await agent.start();
  return agent;
}
