import { internalStateText } from '../../views/cluster-text.ts';
import { internalStateView } from '../../views/internal-state-view.ts';
import { expectArgs, type PromptCommand } from '../command.ts';

export const internalState: PromptCommand = {
  names: ['internal-state'],
  usage: 'internal-state',
  help: 'lanes and counts inside the master',
  run(args, { operator, page }) {
    expectArgs(args, 0, 0);
    return internalStateText(internalStateView(operator.internalState(), operator.directory), page());
  },
};
