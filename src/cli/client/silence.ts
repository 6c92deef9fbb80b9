/** `pulselane silence …`: silences of a running master. */
import { Command } from 'commander';
import { PulselaneError } from '../../lib/errors.ts';
import { examples } from '../help-text.ts';
import { newSilenceOf } from '../new-silence.ts';
import { printAnswer, printMessage } from '../output/answer.ts';
import { ACTION_FORMATS, LIST_FORMATS } from '../output/format.ts';
import { flatSilence, SILENCE_FIELDS, silencesOf } from '../views/alert-items.ts';
import { silencesText } from '../views/alerts-text.ts';
import { messageIn } from '../views/from-api.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';

export function silenceCommand(environment: ClientEnvironment): Command {
  return new Command('silence')
    .description('keep receivers of alerts from being told, for a time')
    .addCommand(addCommand(environment))
    .addCommand(listCommand(environment))
    .addCommand(expireCommand(environment));
}

interface AddFlags {
  readonly worker?: string;
  readonly rule?: string;
  readonly for: string;
  readonly comment: string;
  readonly author?: string;
}

function addCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand('add', 'silence alerts of a running master', ACTION_FORMATS)
    .argument('[matchers...]', 'labels that an alert must have, all of them: severity=page, worker=~"rack-7-.*"')
    .option('--worker <id>', 'alerts about this worker')
    .option('--rule <name>', 'alerts of this rule')
    .requiredOption('--for <duration>', 'how long: 30m, 2h, 7d')
    .requiredOption('--comment <text>', 'why')
    .option('--author <name>', 'who silences; default: your user name');
  command.addHelpText(
    'after',
    examples(
      'pulselane silence add --worker worker-1 --for 2h --comment "new disk"',
      `pulselane silence add --rule Hot 'group=~"rack-7|rack-8"' --for 1d --comment "summer"`,
    ),
  );
  return command.action(async (given: string[]) => {
    const { worker, rule, for: duration, comment, author } = command.opts<AddFlags>();
    const matchers = [
      ...(worker === undefined ? [] : [`worker=${JSON.stringify(worker)}`]),
      ...(rule === undefined ? [] : [`alertname=${JSON.stringify(rule)}`]),
      ...given,
    ];
    if (matchers.length === 0) {
      throw new PulselaneError('invalid_argument', 'expected --worker, --rule or a matcher such as severity=page');
    }
    const {
      startsUnixMs: _,
      endsUnixMs,
      ...silence
    } = newSilenceOf({ matchers, duration, comment, author }, clock.wallMs());
    const endsAt = new Date(endsUnixMs).toISOString();
    const answer = await apiClientOf(command, clock).createSilence({ ...silence, endsAt });
    const { silenceID = '' } = (answer.body ?? {}) as { silenceID?: string };
    printMessage({ message: [messageIn(answer), `id: ${silenceID}`], json: answer.body }, command, streams);
  });
}

function listCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand('list', 'show the silences of a running master', LIST_FORMATS).option(
    '--all',
    'also those that are over',
  );
  command.addHelpText('after', examples('pulselane silence list', 'pulselane silence list --all -o json'));
  return command.action(async () => {
    const { all = false } = command.opts<{ all?: boolean }>();
    const found = silencesOf(await apiClientOf(command, clock).silences());
    const silences = found.filter(({ status: { state } }) => all || state !== 'expired');
    const items = silences.map(flatSilence);
    const text = (page: Parameters<typeof silencesText>[1]) => silencesText(silences, page);
    printAnswer({ json: { silences }, items, fields: SILENCE_FIELDS, text }, command, streams);
  });
}

function expireCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand('expire', 'end silences of a running master early', ACTION_FORMATS).argument(
    '<silences...>',
    'their ids',
  );
  command.addHelpText('after', examples('pulselane silence expire 0b7a1a0e-7a3c-4d2e-9d51-4a3d54f7c7a1'));
  return command.action(async (ids: string[]) => {
    const api = apiClientOf(command, clock);
    const message: string[] = [];
    for (const id of ids) message.push(messageIn(await api.expireSilence(id)));
    printMessage({ message, json: { expired: ids } }, command, streams);
  });
}
