/** `pulselane agent`: its command line. What it runs is loaded only then. */
import { Command } from 'commander';
import { addOptions, givenFlags } from '../config/command-line.ts';
import { agentOptions } from '../config/options.ts';
import { agentConfig } from '../config/resolve.ts';
import { processSources } from '../config/sources.ts';
import type { AgentCommandEnvironment } from './run.ts';

/**
 * The action resolves after the farewell, and rejects with a PulselaneError: `bad_setting` for a wrong setting,
 * `environment` when it cannot listen.
 */
export function agentCommand(environment: AgentCommandEnvironment): Command {
  const command = new Command('agent').description(
    'run an agent: reports this machine to a master until SIGINT or SIGTERM',
  );
  return addOptions(command, agentOptions).action(async () => {
    const config = agentConfig(processSources(givenFlags(command, agentOptions)));
    const { runAgent } = await import('./run.ts');
    await runAgent(config, environment);
  });
}
