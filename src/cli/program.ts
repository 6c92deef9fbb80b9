/** The command line as a whole: which commands there are, and how it speaks when one is used wrongly. */
import type { Command } from 'commander';
import type { Clock } from '../lib/clock.ts';
import { bareProgram } from './bare-program.ts';
import { checkCommand } from './check/command.ts';
import { alertsCommand } from './client/alerts.ts';
import { eventsCommand } from './client/events.ts';
import { exportCommand } from './client/export.ts';
import { historyCommand } from './client/history.ts';
import { internalStateCommand } from './client/internal-state.ts';
import { livenessCommand } from './client/liveness.ts';
import { operatorCommands } from './client/operator-commands.ts';
import { silenceCommand } from './client/silence.ts';
import { statusCommand } from './client/status.ts';
import { tasksCommand } from './client/tasks.ts';
import { workersCommand } from './client/workers.ts';
import { configCommand } from './config/command.ts';
import { examples } from './help-text.ts';
import { masterCommand } from './master/command.ts';
import type { MasterParts } from './master/run.ts';
import { rulesCommand } from './rules/command.ts';
import { completionCommand, idsCommand, manCommand } from './shell/commands.ts';
import type { Streams } from './streams.ts';
import { taskCommand } from './task/command.ts';
import { tokenCommand } from './token/command.ts';

export interface ProgramParts {
  /** Of the commands that answer and end. */
  readonly streams: Streams;
  readonly clock: Clock;
  readonly master: MasterParts;
  /** Commands of folders that this one may not import: the agent's. */
  readonly extraCommands: readonly Command[];
}

/** `parseAsync` of it rejects instead of ending the process. */
export function buildProgram(parts: ProgramParts): Command {
  const { streams, clock, master, extraCommands } = parts;
  const program = bareProgram(streams).addHelpText(
    'after',
    examples(
      'pulselane master --with-agent              a master, and this machine as its first worker',
      'pulselane agent --master 10.0.0.5:50051    this machine as a worker of that master',
      'pulselane workers                          who is there',
      'pulselane status worker-1                  how one is doing',
      'pulselane history worker-1 --last 24h      how it was',
    ),
  );
  const [agent, ...others] = extraCommands;
  const commands = [
    masterCommand(master),
    ...(agent === undefined ? [] : [agent]),
    workersCommand({ streams, clock }),
    statusCommand({ streams, clock }),
    livenessCommand({ streams, clock }),
    historyCommand({ streams, clock }),
    tasksCommand({ streams, clock }),
    eventsCommand({ streams, clock }),
    alertsCommand({ streams, clock }),
    silenceCommand({ streams, clock }),
    checkCommand({ streams, clock }),
    exportCommand({ streams, clock }),
    internalStateCommand({ streams, clock }),
    ...operatorCommands({ streams, clock }),
    taskCommand({ streams, clock }),
    configCommand(streams),
    tokenCommand(streams, clock),
    rulesCommand(streams, clock),
    completionCommand(streams),
    manCommand(streams),
    ...others,
  ];
  for (const command of commands) {
    program.addCommand(command.copyInheritedSettings(program));
    for (const below of command.commands) below.copyInheritedSettings(program);
    if (command.commands.length > 0 && command.registeredArguments.length === 0) refuseHelpOnUnknown(command);
  }
  // For completion scripts, and nobody's to type.
  program.addCommand(idsCommand(streams, clock).copyInheritedSettings(program), { hidden: true });
  return refuseHelpOnUnknown(program);
}

/** Left alone, commander prints the help of `command` where that of a command is asked for that there is not. */
function refuseHelpOnUnknown(command: Command): Command {
  return command.on('beforeHelp', () => {
    const [first, second] = command.args;
    const name = first === 'help' ? second : first;
    if (name === undefined || name.startsWith('-') || command.commands.some((known) => known.name() === name)) return;
    command.error(`unknown command '${name}'`, { code: 'commander.unknownCommand' });
  });
}
