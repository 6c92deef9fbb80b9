import { holdsLines } from '../../views/holds-text.ts';
import { expectArgs, type PromptCommand, UsageError } from '../command.ts';

export const brake: PromptCommand = {
  names: ['brake'],
  usage: 'brake [release [<group>]]',
  help: 'what keeps the master from calling workers inactive; "release": treat silent workers as failed',
  run(args, { operator }) {
    const [word, group] = expectArgs(args, 0, 2);
    if (word === 'release') return operator.releaseBrakes(group);
    if (word !== undefined) throw new UsageError();
    return holdsLines(operator.holds()).join('\n') || 'No brake is active.';
  },
  complete: () => ['release'],
};
