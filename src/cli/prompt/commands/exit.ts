import { expectArgs, type PromptCommand } from '../command.ts';

export const exit: PromptCommand = {
  names: ['exit', 'quit'],
  usage: 'exit',
  help: 'stop the master',
  run(args, context) {
    expectArgs(args, 0, 0);
    context.exit();
    return undefined;
  },
};
