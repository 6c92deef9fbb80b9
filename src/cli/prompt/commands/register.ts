import { expectArgs, type PromptCommand, workerIds } from '../command.ts';

export const register: PromptCommand = {
  names: ['register'],
  usage: 'register <id> [[tls://]<ip:port>]',
  help: 'make a worker known; with its address, tell it to report here',
  run(args, { operator }) {
    const [workerId, address] = expectArgs(args, 1, 2);
    return operator.register(workerId as string, address);
  },
  complete: workerIds,
};
