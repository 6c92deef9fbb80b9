/** The agent that reports the master's own machine. */
import { type Address, formatAddress } from '../config/kinds.ts';
import type { Logger } from '../lib/logging.ts';
import { Agent } from './agent.ts';

export interface LocalAgentOptions {
  /** `host:port` on which the master of this process receives heartbeats. */
  readonly master: string;
  readonly workerId: string;
  readonly intervalMs?: number;
  /** TLS without verification of the certificate: the process calls itself, at whatever address it is bound to. */
  readonly isEncrypted?: boolean;
  readonly token?: string | undefined;
  readonly gpuToolPath?: string;
  readonly socket?: string | undefined;
  readonly local?: Address | undefined;
  readonly logger?: Logger;
}

/** Starts an agent beside a master, for `pulselane master --with-agent`; the caller stops it before the master. */
export async function startLocalAgent(options: LocalAgentOptions): Promise<Agent> {
  const { isEncrypted = false, socket, local, ...others } = options;
  const hub = { socket, local: local && formatAddress(local) };
  // Errors name variables: they are what its settings come from.
  const agent = new Agent({ ...others, hub, tls: isEncrypted && { verify: false } }, {});
  await agent.start();
  return agent;
}
