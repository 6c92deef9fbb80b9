import { holdsLines } from '../../views/holds-text.ts';
import { expectArgs, type PromptCommand, UsageError } from '../command.ts';

export const brake: PromptCommand = {
  names: ['brake'],
  usage: 'brake [release [<group>]]',
  help: 'what keeps the master from judging who is alive; "release": who is silent has failed',
  run(args, { operator }) {
    const [word, group] = expectArgs(args, 0, 2);
    if (word === 'release') return operator.releaseBrakes(group);
    if (word !== undefined) throw new UsageError();
    return holdsLines(operator.holds()).join('\n') || 'Nothing: everybody is judged.';
  },
  complete: () => ['release'],
};
