/** `pulselane config [master|agent|client]`: settings as they are in force, and where each comes from. */
import { Command } from 'commander';
import { addOptions, givenFlags } from '../../config/command-line.ts';
import { agentOptions, clientOptions, masterOptions, type Options } from '../../config/options.ts';
import { agentConfig, clientConfig, explainOptions, masterConfig, resolveOptions } from '../../config/resolve.ts';
import { processSources, type Sources } from '../../config/sources.ts';
import { PulselaneError, SettingsError } from '../../lib/errors.ts';
import { examples } from '../help-text.ts';
import { printAnswer } from '../output/answer.ts';
import { addOutputOption } from '../output/format.ts';
import type { Streams } from '../streams.ts';
import type { Page } from '../text/page.ts';
import { table } from '../text/table.ts';
import { NOTHING } from '../text/units.ts';
import { autoTexts } from './auto-texts.ts';

/** Whose settings there are. */
interface Subject {
  readonly name: string;
  readonly description: string;
  readonly options: Options;
  /** Refuses what the program itself would, in the same words. @returns what `auto` amounts to, by variable */
  readonly check: (sources: Sources) => Readonly<Record<string, string>>;
  readonly examples: readonly string[];
}

const MASTER: Subject = {
  name: 'master',
  description: 'the settings of the master',
  options: masterOptions,
  check: (sources) => autoTexts(masterConfig(sources)),
  examples: ['pulselane config', 'HTTP_PORT=:9000 pulselane config -o json'],
};

const OTHERS: readonly Subject[] = [
  {
    name: 'agent',
    description: 'the settings of an agent',
    options: agentOptions,
    check(sources) {
      agentConfig(sources);
      return {};
    },
    examples: ['pulselane config agent --master 10.0.0.5:50051'],
  },
  {
    name: 'client',
    description: 'the settings of the commands that ask a master',
    options: clientOptions,
    check(sources) {
      clientConfig(sources);
      return {};
    },
    examples: ['pulselane config client', 'PULSELANE_URL=http://10.0.0.5:8080 pulselane config client'],
  },
];

export function configCommand(streams: Streams): Command {
  const command = settingsCommand(new Command('config'), MASTER, streams);
  command
    .description('print settings, and where each comes from: those of the master, or of an agent or a client')
    .argument('[program]', 'master (the default), agent or client');
  for (const subject of [MASTER, ...OTHERS]) {
    command.addCommand(settingsCommand(new Command(subject.name).description(subject.description), subject, streams));
  }
  return command;
}

function settingsCommand(command: Command, { options, check, examples: lines }: Subject, streams: Streams): Command {
  addOutputOption(addOptions(command, options));
  command.addHelpText('after', examples(...lines));
  return command.action((program: unknown) => {
    if (typeof program === 'string') {
      throw new PulselaneError('invalid_argument', `config ${program}: expected master, agent or client`);
    }
    if (command.parent?.name() === 'config') takeFlagsOfParent(command, command.parent);
    const sources = processSources(givenFlags(command, options));
    const { amounts, broken } = checked(sources, { check, options });
    const settings = explainOptions(options, sources).map((setting): Setting => {
      const effective = setting.text === 'auto' ? amounts[setting.env] : undefined;
      return effective === undefined ? setting : { ...setting, effective };
    });
    printAnswer({ json: settings, text: (page) => configText(settings, page) }, command, streams);
    if (broken !== undefined) throw broken;
  });
}

/**
 * Where each setting is right by itself, they are worth showing, also if they do not fit one another: on a new machine
 * an agent has no master yet.
 * @throws SettingsError if a setting is wrong by itself
 */
function checked(
  sources: Sources,
  { check, options }: Pick<Subject, 'check' | 'options'>,
): { readonly amounts: Readonly<Record<string, string>>; readonly broken: SettingsError | undefined } {
  try {
    return { amounts: check(sources), broken: undefined };
  } catch (error) {
    if (!(error instanceof SettingsError) || !canBeParsed(options, sources)) throw error;
    return { amounts: {}, broken: error };
  }
}

function canBeParsed(options: Options, sources: Sources): boolean {
  try {
    resolveOptions(options, sources);
    return true;
  } catch {
    return false;
  }
}

/**
 * Commander gives a flag that both commands have to the first of them, wherever it stands.
 * @throws PulselaneError `invalid_argument` for a flag that is the first one's alone
 */
function takeFlagsOfParent(command: Command, parent: Command): void {
  for (const [name, value] of Object.entries(parent.opts())) {
    if (!command.options.some((option) => option.attributeName() === name)) {
      const flag = parent.options.find((option) => option.attributeName() === name)?.long ?? name;
      throw new PulselaneError('invalid_argument', `config ${command.name()}: ${flag} is a flag of the master`);
    }
    command.setOptionValue(name, value);
  }
}

interface Setting extends Readonly<ReturnType<typeof explainOptions>[number]> {
  /** What `auto` amounts to on this machine. */
  readonly effective?: string;
}

function configText(settings: readonly Setting[], page: Page): string {
  return table(
    [{ title: 'SETTING' }, { title: 'VALUE', shortensTo: 12 }, { title: 'FROM' }, { title: 'FLAG', rank: 1 }],
    settings.map((setting) => [setting.env, valueText(setting), setting.origin, setting.flag]),
    page,
  );
}

function valueText({ text, effective }: Setting): string {
  if (text === undefined) return NOTHING;
  return effective === undefined ? text || '""' : `${text} (${effective})`;
}
