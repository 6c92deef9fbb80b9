/** A program of one command, `agent`, with the least of a command line around it. */
import { once } from 'node:events';
import { Command } from 'commander';
import { agentCommand } from '../../src/agent/command.ts';
import { messageOf, PulselaneError } from '../../src/lib/errors.ts';

const untilSignal = async (): Promise<string> => {
  await once(process, 'SIGTERM');
  return 'SIGTERM';
};

const program = new Command('pulselane').addCommand(
  agentCommand({ stdout: process.stdout, untilSignal, onReloadSignal() {} }),
);
program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = error instanceof PulselaneError && error.code === 'bad_setting' ? 2 : 1;
});
