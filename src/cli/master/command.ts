/** `pulselane master`: flags and settings; the rest is in run.ts. */
import { Command } from 'commander';
import { withAbsolutePaths } from '../../config/absolute-paths.ts';
import { addOptions, givenFlags } from '../../config/command-line.ts';
import { nearMisses } from '../../config/near-misses.ts';
import { agentOptions, clientOptions, type MasterConfig, masterOptions, type Options } from '../../config/options.ts';
import { masterConfig, resolveOptions } from '../../config/resolve.ts';
import { ringTimeWarnings } from '../../config/ring-time.ts';
import { dotenvWarnings, processSources, type Sources } from '../../config/sources.ts';
import { unreadableFiles } from '../../config/unreadable-files.ts';
import { SettingsError } from '../../lib/errors.ts';
import { examples } from '../help-text.ts';
import { type MasterParts, runMaster } from './run.ts';

/** The local agent goes by the name that `pulselane agent` would have here, and finds its tools as that would. */
const localAgentOptions = {
  workerId: agentOptions.workerId,
  gpuToolPath: agentOptions.gpuToolPath,
  socket: agentOptions.socket,
  local: agentOptions.local,
} as const;

/** One `.env` may serve them all. */
const NAMES_OF_OTHERS = new Set([agentOptions, clientOptions].flatMap(namesOf));

function namesOf(options: Options): string[] {
  return Object.values(options).map(({ env }) => env);
}

/** @throws SettingsError of all that is wrong: settings, and files that cannot be read */
function configIn(sources: Sources): MasterConfig {
  try {
    return masterConfig(sources);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    throw new SettingsError([...error.problems, ...unreadableFiles(masterOptions, sources)]);
  }
}

export function masterCommand(parts: MasterParts): Command {
  const command = new Command('master').description(
    'run a master: receives heartbeats, and answers how each worker is doing',
  );
  addOptions(command, masterOptions).option('--with-agent', 'also report this very machine, under its host name');
  command.addHelpText(
    'after',
    examples(
      'pulselane master --with-agent',
      'HTTP_PORT=:8080 GRPC_PORT=:50051 pulselane master',
      'pulselane master --admission approved --data-dir /var/lib/pulselane',
    ),
  );
  return command.action(async () => {
    const sources = processSources(givenFlags(command, masterOptions));
    const config = withAbsolutePaths(configIn(sources));
    const { withAgent } = command.opts<{ withAgent?: true }>();
    const localAgent = withAgent ? resolveOptions(localAgentOptions, { ...sources, flags: {} }) : undefined;
    const warnings = [
      ...dotenvWarnings(),
      ...nearMisses(masterOptions, NAMES_OF_OTHERS, sources),
      ...ringTimeWarnings(config),
    ];
    await runMaster({ config, localAgent, warnings }, parts);
  });
}
