import { oneArg, type PromptCommand } from '../command.ts';

export const approve: PromptCommand = {
  names: ['approve'],
  usage: 'approve <id>',
  help: 'approve a worker that waits, or one that is still to come',
  run: (args, { operator }) => operator.approve(oneArg(args)),
  complete: ({ operator }) => operator.internalState().pending.map(({ workerId }) => workerId),
};
