/** `pulselane rules list`: the rules of a running master, and whether they are evaluated without errors. */
import type { Command } from 'commander';
import { apiClientOf, type ClientEnvironment, clientCommand } from '../client/client-command.ts';
import { examples } from '../help-text.ts';
import { printAnswer } from '../output/answer.ts';
import { LIST_FORMATS } from '../output/format.ts';
import { flatRule, RULE_FIELDS, rulesPageOf, rulesText } from '../views/rule-items.ts';

export function listCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand(
    'list',
    'list the rules of a running master, and which of them fail or have no values',
    LIST_FORMATS,
  );
  command.addHelpText('after', examples('pulselane rules list', 'pulselane rules list -o json'));
  return command.action(async () => {
    const answer = await apiClientOf(command, clock).alertRules();
    const found = rulesPageOf(answer);
    printAnswer(
      {
        json: found,
        items: found.rules.map(flatRule),
        fields: RULE_FIELDS,
        text: (page) => rulesText(found, page),
      },
      command,
      streams,
    );
  });
}
