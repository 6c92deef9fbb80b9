import { oneArg, type PromptCommand } from '../command.ts';

export const release: PromptCommand = {
  names: ['release'],
  usage: 'release <id>',
  help: 'try a worker in quarantine again, before its time',
  run: (args, { operator }) => operator.release(oneArg(args)),
  complete: ({ operator }) => operator.quarantined(),
};
