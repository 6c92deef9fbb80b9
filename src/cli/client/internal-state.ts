/** `pulselane internal-state`: lanes, memory and counts inside a running master, as at its prompt. */
import type { Command } from 'commander';
import { PulselaneError } from '../../lib/errors.ts';
import { examples } from '../help-text.ts';
import { printAnswer } from '../output/answer.ts';
import { SHOW_FORMATS } from '../output/format.ts';
import { internalStateText } from '../views/cluster-text.ts';
import { internalStateOf } from '../views/internal-state-view.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';

export function internalStateCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand(
    'internal-state',
    'show lanes, memory and counts inside a running master',
    SHOW_FORMATS,
  );
  command.addHelpText('after', examples('pulselane internal-state', 'pulselane internal-state -o json'));
  return command.action(async () => {
    const api = apiClientOf(command, clock);
    const answer = await api.internalState();
    if (answer === undefined) {
      throw new PulselaneError('environment', `the master at ${api.url} does not tell of its inside: it is too old`);
    }
    const state = internalStateOf(answer);
    printAnswer({ json: answer.body, text: (page) => internalStateText(state, page) }, command, streams);
  });
}
