/**
 * `pulselane alerts test <receiver>`: whether a receiver gets alerts. A running master sends the trial; with `--rules` this command does,
 * as the file says, without a master.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { problemText } from '../../alerts/rule-source.ts';
import { commandEnvironment } from '../../config/command-environment.ts';
import { addOptions, givenFlags } from '../../config/command-line.ts';
import { masterOptions } from '../../config/options.ts';
import { resolveOptions } from '../../config/resolve.ts';
import { processSources } from '../../config/sources.ts';
import { PulselaneError, SettingsError } from '../../lib/errors.ts';
import { printable } from '../../lib/printable.ts';
import { EXIT_FAILURE, ExitWith } from '../exit-codes.ts';
import { examples } from '../help-text.ts';
import { printMessage } from '../output/answer.ts';
import { ACTION_FORMATS } from '../output/format.ts';
import { notTelemetry } from '../views/api-answer.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';

/** What a master knows and `--rules` lacks. */
const options = { alertCommands: masterOptions.alertCommands, publicUrl: masterOptions.publicUrl };

const trialsJson = z.object({
  message: z.string(),
  trials: z.array(z.object({ kind: z.string(), sent: z.boolean(), detail: z.string() })),
});
type Trials = z.output<typeof trialsJson>;

interface Flags {
  readonly rules?: string;
  readonly firingOnly?: boolean;
}

export function alertsTestCommand(environment: ClientEnvironment): Command {
  const { streams } = environment;
  const command = addOptions(
    clientCommand('test', 'send a marked trial to a receiver of alerts, and say what it answered', ACTION_FORMATS)
      .argument('<receiver>', 'its name in the rule file')
      .option('--firing-only', 'do not send the end of the trial')
      .option('--rules <file>', 'send it from here, as this rule file says; without it, a running master sends it'),
    options,
  );
  command.addHelpText('after', examples('pulselane alerts test hook', 'pulselane alerts test hook --rules rules.yaml'));
  return command.action(async (receiver: string) => {
    takeFlagsOfParent(command);
    const { rules, firingOnly = false } = command.opts<Flags>();
    const found =
      rules === undefined
        ? await byMaster(receiver, firingOnly, command, environment)
        : await fromHere(receiver, { file: rules, isFiringOnly: firingOnly }, command, environment);
    const lines = found.trials.map(({ kind, sent, detail }) => `${kind}: ${sent ? 'sent' : `not sent: ${detail}`}`);
    printMessage({ message: [found.message, ...lines], json: found }, command, streams);
    if (found.trials.some(({ sent }) => !sent)) throw new ExitWith(EXIT_FAILURE);
  });
}

/**
 * Commander gives flags that both commands have to the one above, also those behind the name of this one.
 * @throws PulselaneError `invalid_argument` if a flag is only of the one above
 */
function takeFlagsOfParent(command: Command): void {
  const { parent } = command;
  for (const given of parent?.options ?? []) {
    const name = given.attributeName();
    if (parent === null || parent.getOptionValueSource(name) !== 'cli') continue;
    const own = command.options.find((option) => option.attributeName() === name);
    const value: unknown = parent.getOptionValue(name);
    if (own === undefined || (own.argChoices !== undefined && !own.argChoices.includes(String(value)))) {
      const expected = own === undefined ? 'no flag of alerts test' : `expected one of ${own.argChoices?.join(', ')}`;
      throw new PulselaneError('invalid_argument', `${given.long ?? given.flags}: ${expected}`);
    }
    command.setOptionValueWithSource(name, value, 'cli');
  }
}

async function byMaster(
  name: string,
  isFiringOnly: boolean,
  command: Command,
  { clock }: ClientEnvironment,
): Promise<Trials> {
  const answer = await apiClientOf(command, clock).testReceiver(name, isFiringOnly);
  const parsed = trialsJson.safeParse(answer.body);
  if (!parsed.success) throw notTelemetry('/api/v1/receivers/{name}/test');
  return parsed.data;
}

async function fromHere(
  name: string,
  { file, isFiringOnly }: { readonly file: string; readonly isFiringOnly: boolean },
  command: Command,
  { streams, clock }: ClientEnvironment,
): Promise<Trials> {
  const { alertCommands, publicUrl = '' } = resolveOptions(options, processSources(givenFlags(command, options)));
  // The languages of rules, and receivers, are loaded only by those who need them.
  const { readRuleFile } = await import('../rules/read-rule-file.ts');
  const { rules, problems } = readRuleFile(resolve(file), alertCommands === 'on');
  if (rules === undefined) {
    throw new SettingsError(problems.map((problem) => problemText(file, problem)));
  }
  const { sendersOf } = await import('../../alerts/delivery/receivers/make-senders.ts');
  const { trialReply } = await import('../../alerts/delivery/trial.ts');
  const makeSender = sendersOf({
    clock,
    // The receiver `log` has no log here.
    log: (_, message) => void streams.stderr.write(`${printable(message)}\n`),
    externalUrl: publicUrl,
    commandEnvironment: commandEnvironment(),
  });
  const reply = await trialReply(rules.receivers, name, { makeSender, clock, externalUrl: publicUrl, isFiringOnly });
  if (!reply.ok) throw new PulselaneError(reply.code, reply.message);
  const { message, trials = [] } = reply;
  return { message, trials: trials.map(({ kind, isSent, detail }) => ({ kind, sent: isSent, detail })) };
}
