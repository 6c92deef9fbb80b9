/** `pulselane agent`: reports this machine to a master until it is told to end. */
import type { Writable } from 'node:stream';
import { Command } from 'commander';
import { addOptions, givenFlags } from '../config/command-line.ts';
import { formatAddress } from '../config/kinds.ts';
import { type AgentConfig, agentOptions } from '../config/options.ts';
import { checkAgentConfig, processSources, resolveOptions } from '../config/resolve.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { createLogger } from '../lib/logging.ts';
import { Agent } from './agent.ts';

/** What the command needs of the program around it, which alone knows signals and exit codes. */
export interface AgentCommandEnvironment {
  readonly stdout: Writable & { readonly isTTY?: boolean };
  /** Resolves with the first signal that asks the program to end; a second one ends it at once. */
  readonly untilSignal: () => Promise<string>;
}

/**
 * The action resolves after the farewell, and rejects with a PulselaneError: `bad_setting` for a wrong setting,
 * `environment` when it cannot listen.
 */
export function agentCommand(environment: AgentCommandEnvironment): Command {
  const command = new Command('agent').description('report this machine to a master until SIGINT or SIGTERM');
  return addOptions(command, agentOptions).action(async () => {
    const sources = processSources(givenFlags(command, agentOptions));
    await runAgent(checkAgentConfig(resolveOptions(agentOptions, sources)), environment);
  });
}

async function runAgent(config: AgentConfig, { stdout, untilSignal }: AgentCommandEnvironment): Promise<void> {
  const logger = createLogger({ level: config.logLevel, destination: stdout, readable: stdout.isTTY === true });
  const agent = agentOf(config, logger);
  // Before anything is started, so that no signal is missed.
  const signalled = untilSignal();
  await agent.start();
  const signal = await signalled;
  logger.info(`${signal}: saying farewell`);
  await agent.stop();
}

function agentOf(config: AgentConfig, logger: ReturnType<typeof createLogger>): Agent {
  const { workerId, masters, listen, intervalMs, labels, group, ephemeral } = config;
  try {
    return new Agent({
      workerId,
      master: masters?.map(formatAddress),
      listen: listen && formatAddress(listen),
      intervalMs,
      labels,
      group,
      ephemeral,
      logger,
    });
  } catch (error) {
    // All else was checked when the settings were read.
    throw new PulselaneError('bad_setting', `WORKER_ID=${JSON.stringify(workerId)}: ${messageOf(error)}`);
  }
}
