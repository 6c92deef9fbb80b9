import { oneArg, type PromptCommand } from '../command.ts';

export const approve: PromptCommand = {
  names: ['approve'],
  usage: 'approve <id>',
  help: 'let in a worker that waits for approval, or will come',
  run: (args, { operator }) => operator.approve(oneArg(args)),
  complete: ({ operator }) => operator.internalState().pending.map(({ workerId }) => workerId),
};
