import { oneArg, type PromptCommand, workerIds } from '../command.ts';

export const unregister: PromptCommand = {
  names: ['unregister'],
  usage: 'unregister <id>',
  help: 'forget a worker',
  run: (args, { operator }) => operator.unregister(oneArg(args)),
  complete: workerIds,
};
