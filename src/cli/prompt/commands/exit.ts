import { expectArgs, type PromptCommand } from '../command.ts';

export const exit: PromptCommand = {
  names: ['exit', 'quit'],
  usage: 'exit',
  help: 'stop the master; asks once while workers are connected',
  run(args, context) {
    expectArgs(args, 0, 0);
    return context.exit();
  },
};

export const exitNow: PromptCommand = {
  names: ['exit!', 'quit!'],
  usage: 'exit!',
  help: 'stop the master without asking',
  run(args, context) {
    expectArgs(args, 0, 0);
    context.exitNow();
    return undefined;
  },
};
