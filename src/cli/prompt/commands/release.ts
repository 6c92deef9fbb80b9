import { oneArg, type PromptCommand } from '../command.ts';

export const release: PromptCommand = {
  names: ['release'],
  usage: 'release <id>',
  help: 'end the quarantine of a worker now',
  run: (args, { operator }) => operator.release(oneArg(args)),
  complete: ({ operator }) => operator.quarantined(),
};
