/** `pulselane rules lint FILE…`: everything that is wrong with rule files. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { RuleProblem } from '../../alerts/rules/place.ts';
import type { RuleSet } from '../../alerts/rules/rule.ts';
import { addOptions, givenFlags } from '../../config/command-line.ts';
import { masterOptions } from '../../config/options.ts';
import { resolveOptions } from '../../config/resolve.ts';
import { processSources } from '../../config/sources.ts';
import { EXIT_FAILURE, ExitWith } from '../exit-codes.ts';
import { examples } from '../help-text.ts';
import { printMessage } from '../output/answer.ts';
import { ACTION_FORMATS, addOutputOption } from '../output/format.ts';
import type { Streams } from '../streams.ts';

/** Settings on which it depends whether a file is right. */
const options = { alertCommands: masterOptions.alertCommands };

interface LintedFile {
  readonly file: string;
  readonly rules: RuleSet | undefined;
  readonly problems: readonly RuleProblem[];
  readonly warnings: readonly RuleProblem[];
}

export function lintCommand(streams: Streams): Command {
  const plain = new Command('lint').description('name everything that is wrong with files of alerting rules');
  const command = addOutputOption(addOptions(plain, options).argument('<file...>', 'rule files'), ACTION_FORMATS);
  command.addHelpText(
    'after',
    examples('pulselane rules lint rules.yaml', 'pulselane rules lint -o json /etc/pulselane/*.yaml'),
  );
  return command.action(async (files: string[]) => {
    const { alertCommands } = resolveOptions(options, processSources(givenFlags(command, options)));
    // The languages of rules are loaded only by those who need them.
    const { readRuleFile } = await import('./read-rule-file.ts');
    const linted = files.map((file) => ({ file, ...readRuleFile(resolve(file), alertCommands === 'on') }));
    printMessage({ message: linted.flatMap(linesOf), json: { files: linted.map(jsonOf) } }, command, streams);
    if (linted.some(({ problems }) => problems.length > 0)) throw new ExitWith(EXIT_FAILURE);
  });
}

function linesOf({ file, rules, problems, warnings }: LintedFile): string[] {
  return [
    ...warnings.map((warning) => `${placeText(file, warning)}: warning: ${warning.message}`),
    ...problems.map((problem) => `${placeText(file, problem)}: ${problem.message}`),
    rules === undefined ? `${file}: ${count(problems.length, 'problem')}` : `${file}: ok, ${contentsOf(rules)}`,
  ];
}

function placeText(file: string, { line, column }: RuleProblem): string {
  return [file, line, column].filter((part) => part !== undefined).join(':');
}

function contentsOf({ rules, receivers }: RuleSet): string {
  const own = rules.filter(({ isShipped }) => !isShipped).length;
  return `${count(own, 'rule')} and ${rules.length - own} shipped, ${count(receivers.length, 'receiver')}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function jsonOf({ file, rules, problems, warnings }: LintedFile): unknown {
  const placed = ({ line, column, message }: RuleProblem) => ({ line: line ?? null, column: column ?? null, message });
  return {
    file,
    ok: rules !== undefined,
    problems: problems.map(placed),
    warnings: warnings.map(placed),
    rules: rules?.rules.map(({ name, isShipped }) => ({ alert: name, shipped: isShipped })) ?? [],
    receivers: rules?.receivers.map(({ name }) => name) ?? [],
  };
}
