import { PulselaneError } from '../../../lib/errors.ts';
import { facts, prose } from '../../text/table.ts';
import { expectArgs, type PromptCommand } from '../command.ts';
import { findCommand, unknownCommand } from '../registry.ts';

export const help: PromptCommand = {
  names: ['help', '?'],
  usage: 'help [<command>]',
  help: 'what can be typed here',
  run(args, { commands, page }) {
    const [name] = expectArgs(args, 0, 1);
    if (name === undefined) {
      return (
        `${facts(
          commands.map((command) => [command.usage, command.help]),
          page(),
        )}\n\n` +
        prose(
          'Tab completes commands and worker ids; an id with spaces goes in double quotes.\n' +
            'Ctrl-C on an empty line stops the master; Ctrl-D closes the prompt, or stops a master that has its terminal to itself.',
          page(),
        )
      );
    }
    const command = findCommand(commands, name);
    if (command === undefined) throw new PulselaneError('invalid_argument', unknownCommand(commands, name));
    const others = command.names.slice(1);
    return `${command.usage}: ${command.help}${others.length === 0 ? '' : ` (also: ${others.join(', ')})`}`;
  },
  complete: ({ commands }) => commands.map(({ names }) => names[0]),
};
