/** `pulselane rules test FILE`: when each rule would have fired, over recorded history or series of a file, and for how long. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { Expectation } from '../../alerts/replay/fixture.ts';
import type { Firing, ReplayedRule, ReplayResult } from '../../alerts/replay/replay.ts';
import type { ReplaySource } from '../../alerts/replay/track.ts';
import type { RuleSet } from '../../alerts/rules/rule.ts';
import { addOptions, givenFlags } from '../../config/command-line.ts';
import { clientOptions, masterOptions } from '../../config/options.ts';
import { resolveOptions } from '../../config/resolve.ts';
import { processSources } from '../../config/sources.ts';
import type { Clock } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { fileCauseText } from '../../lib/setting-file.ts';
import { textIn } from '../../lib/text-file.ts';
import { checkWorkerId } from '../../model/worker-id.ts';
import { apiClientOf } from '../client/client-command.ts';
import { EXIT_FAILURE, ExitWith } from '../exit-codes.ts';
import { examples } from '../help-text.ts';
import { printMessage } from '../output/answer.ts';
import { ACTION_FORMATS, addOutputOption } from '../output/format.ts';
import type { Streams } from '../streams.ts';
import { age, countOf } from '../text/units.ts';

const ruleOptions = { alertCommands: masterOptions.alertCommands };

interface TestFlags {
  readonly history?: string;
  readonly series?: string;
  readonly worker?: string;
  readonly prefix?: string;
  readonly rule?: readonly string[];
}

/** Firings that the text shows of one rule; `-o json` has all. */
const SHOWN_FIRINGS = 20;
const PROGRESS_EVERY_MS = 500;

interface Tested {
  readonly source: ReplaySource;
  readonly expectations: readonly Expectation[] | undefined;
  readonly notes: readonly string[];
}

export function testCommand(streams: Streams, clock: Clock): Command {
  const plain = new Command('test').description('say when rules would have fired, and for how long');
  const command = addOutputOption(addOptions(addOptions(plain, clientOptions), ruleOptions), ACTION_FORMATS)
    .argument('<file>', 'rule file')
    .option('--history <duration>', 'over what a running master has recorded: 24h, 7d')
    .option('--series <file>', 'over series that the file contains, see docs/alert-rules.md')
    .option('--worker <id>', 'with --history: only this worker; it may be a forgotten one')
    .option('--prefix <prefix>', 'with --history: only workers whose ids begin with this')
    .option('--rule <name>', 'only this rule; can be repeated', (value, before: readonly string[] = []) => [
      ...before,
      value,
    ]);
  command.addHelpText(
    'after',
    examples(
      'pulselane rules test rules.yaml --history 7d',
      'pulselane rules test rules.yaml --history 30d --worker worker-1 --rule Hot',
      'pulselane rules test rules.yaml --series series.yaml',
    ),
  );
  return command.action(async (file: string) => {
    const flags = command.opts<TestFlags>();
    if ((flags.history === undefined) === (flags.series === undefined)) {
      throw invalid('expected either --history <duration> or --series <file>');
    }
    for (const name of ['worker', 'prefix'] as const) {
      if (flags.series !== undefined && flags[name] !== undefined)
        throw invalid(`--${name}: expected --history beside it`);
    }
    if (flags.worker !== undefined) checkWorkerId(flags.worker);
    if (flags.worker !== undefined && flags.prefix !== undefined)
      throw invalid('--worker names the only one: leave out --prefix');
    const { alertCommands } = resolveOptions(ruleOptions, processSources(givenFlags(command, ruleOptions)));
    const rules = await rulesIn(file, alertCommands === 'on', flags.rule);
    const progress = new Progress(streams, clock);
    try {
      const tested =
        flags.series === undefined
          ? await recorded(command, clock, rules, flags, progress)
          : await written(flags.series);
      const { replay } = await import('../../alerts/replay/replay.ts');
      const result = await replay({
        rules: rules.rules,
        source: tested.source,
        evaluationIntervalMs: rules.evaluationIntervalMs,
        // The default of RETENTION.
        noDataAfterMs: 24 * 3_600_000,
        onProgress: (share) => progress.show(`replayed ${Math.floor(100 * share)} %`),
      });
      progress.end();
      const failures = tested.expectations === undefined ? [] : differences(tested.expectations, result, tested.source);
      const message = [
        ...headOf(tested),
        ...result.rules.flatMap((rule) => linesOf(rule, tested.source)),
        ...failures,
        ...(tested.expectations !== undefined && failures.length === 0 ? ['all as expected'] : []),
      ];
      printMessage({ message, json: jsonOf(file, result, tested, failures) }, command, streams);
      if (failures.length > 0) throw new ExitWith(EXIT_FAILURE);
    } finally {
      progress.end();
    }
  });
}

async function rulesIn(file: string, allowsCommands: boolean, only: readonly string[] | undefined): Promise<RuleSet> {
  const { readRuleFile } = await import('./read-rule-file.ts');
  const { rules, problems } = readRuleFile(resolve(file), allowsCommands);
  if (rules === undefined) {
    const [first] = problems;
    const place = [file, first?.line, first?.column].filter((part) => part !== undefined).join(':');
    const others =
      problems.length > 1 ? ` (${problems.length - 1} further problems: pulselane rules lint ${file})` : '';
    throw invalid(`${place}: ${first?.message}${others}`);
  }
  if (only === undefined) return rules;
  const names = rules.rules.map(({ name }) => name);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw invalid(`--rule ${unknown}: expected one of ${names.join(', ')}`);
  return { ...rules, rules: rules.rules.filter(({ name }) => only.includes(name)) };
}

async function recorded(
  command: Command,
  clock: Clock,
  { rules }: RuleSet,
  { history = '', worker, prefix }: TestFlags,
  progress: Progress,
): Promise<Tested> {
  const { recordedSeries } = await import('./recorded-series.ts');
  const { source, rollupsUntilMs, missing } = await recordedSeries({
    client: apiClientOf(command, clock),
    rules,
    last: history,
    nowMs: clock.wallMs(),
    worker,
    prefix,
    onRead: (values) => progress.show(`read ${values.toLocaleString('en-US')} values`),
  });
  const notes = ['groups and labels of workers are those of now, and lanes, clocks and devices are not in the history'];
  if (rollupsUntilMs !== undefined) {
    notes.push(
      `before ${new Date(rollupsUntilMs).toISOString()} there are no samples: each minute's (or hour's) min, max and last were seen in turn`,
    );
  }
  if (missing !== undefined) notes.push(`the history is incomplete: ${missing}`);
  return { source, expectations: undefined, notes };
}

async function written(file: string): Promise<Tested> {
  const { parseFixture } = await import('../../alerts/replay/fixture.ts');
  let text: string;
  try {
    text = textIn(readFileSync(file));
  } catch (error) {
    throw invalid(`--series ${file}: cannot be read: ${fileCauseText(error)}`);
  }
  const { fixture, problems } = parseFixture(text);
  if (fixture === undefined) {
    const all = problems.map(
      ({ line, column, message }) =>
        `${[file, line, column].filter((part) => part !== undefined).join(':')}: ${message}`,
    );
    throw invalid(all.join('; '));
  }
  return { ...fixture, notes: [] };
}

function headOf({ source, notes }: Tested): string[] {
  const span = `${new Date(source.fromMs).toISOString()} to ${new Date(source.toMs).toISOString()}`;
  return [`${countOf(source.workers.length, 'worker')}, ${span}`, ...notes.map((note) => `note: ${note}`)];
}

function linesOf(rule: ReplayedRule, source: ReplaySource): string[] {
  const { name, firings, pendings, longestPendingMs, unknownNames, errors, lastError } = rule;
  if (unknownNames.length > 0)
    return [`${name}: not tested, since there is nothing recorded of ${unknownNames.join(', ')}`];
  const totalMs = firings.reduce((sum, firing) => sum + durationOf(firing, source), 0);
  const fired = firings.length === 0 ? 'did not fire' : `fired ${times(firings.length)}, for ${age(totalMs)} in all`;
  const pending =
    pendings === 0 ? '' : `; pending ${times(pendings)} without firing, for ${age(longestPendingMs)} at most`;
  const failed = errors === 0 ? '' : `; ${countOf(errors, 'error')}, the last: ${lastError}`;
  const shown = firings.slice(0, SHOWN_FIRINGS).map((firing) => `  ${firingText(firing, source)}`);
  const left = firings.length - shown.length;
  return [
    `${name}: ${fired}${pending}${failed}`,
    ...shown,
    ...(left > 0 ? [`  … and ${left} more: -o json has all`] : []),
  ];
}

function times(number: number): string {
  return number === 1 ? 'once' : number === 2 ? 'twice' : `${number} times`;
}

function durationOf({ firedAtMs, endedAtMs }: Firing, { toMs }: ReplaySource): number {
  return (endedAtMs ?? toMs) - firedAtMs;
}

function firingText(firing: Firing, source: ReplaySource): string {
  const { subject, firedAtMs, endedAtMs, closedBecause, values } = firing;
  const end =
    endedAtMs === undefined ? 'still fires at the end' : `until ${new Date(endedAtMs).toISOString()}, ${closedBecause}`;
  const parts = (values?.parts ?? []).map(({ text, value }) => `${text} ${value ?? '(no value)'}`).join(', ');
  const whom = subject.kind === 'cluster' ? 'cluster' : subject.name || '(no group)';
  return `${whom}: ${new Date(firedAtMs).toISOString()} for ${age(durationOf(firing, source))}, ${end}${parts === '' ? '' : `; ${parts}`}`;
}

/** What fired otherwise than expected. Rules that no expectation names and that are shipped may fire. */
function differences(
  expectations: readonly Expectation[],
  { rules }: ReplayResult,
  { fromMs }: ReplaySource,
): string[] {
  const seconds = (ms: number) => `${ms / 1000}s`;
  const named = new Set(expectations.map(({ alert }) => alert));
  const firings = rules.filter(({ name, isShipped }) => !isShipped || named.has(name)).flatMap((rule) => rule.firings);
  const left = new Set(firings);
  const lines = expectations.flatMap(({ alert, subject, atMs, untilMs }) => {
    const whom = `${alert}${subject === '' ? '' : ` of ${subject}`}`;
    const candidates = [...left].filter((firing) => firing.rule === alert && firing.subject.name === subject);
    const found = candidates.find((firing) => firing.firedAtMs - fromMs === atMs);
    if (found === undefined) {
      const at = candidates.map((firing) => seconds(firing.firedAtMs - fromMs)).join(', ');
      return [
        `FAILED: expected ${whom} to fire at ${seconds(atMs)}; it ${at === '' ? 'did not fire' : `fired at ${at}`}`,
      ];
    }
    left.delete(found);
    const endedMs = found.endedAtMs === undefined ? undefined : found.endedAtMs - fromMs;
    if (untilMs === undefined || endedMs === untilMs) return [];
    const end = endedMs === undefined ? 'still fires at the end' : `ended at ${seconds(endedMs)}`;
    return [`FAILED: expected ${whom} to end at ${seconds(untilMs)}; it ${end}`];
  });
  const unexpected = [...left].map((firing) => {
    const whom = `${firing.rule}${firing.subject.name === '' ? '' : ` of ${firing.subject.name}`}`;
    return `FAILED: ${whom} fired at ${seconds(firing.firedAtMs - fromMs)}, which is not expected`;
  });
  return [...lines, ...unexpected];
}

function jsonOf(
  file: string,
  { rules, evaluations }: ReplayResult,
  { source, notes }: Tested,
  failures: readonly string[],
): unknown {
  const at = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  return {
    file,
    from: at(source.fromMs),
    to: at(source.toMs),
    workers: source.workers.length,
    evaluations,
    notes,
    failures,
    rules: rules.map((rule) => ({
      alert: rule.name,
      tested: rule.unknownNames.length === 0,
      not_recorded: rule.unknownNames,
      pending_without_firing: rule.pendings,
      longest_pending_seconds: rule.longestPendingMs / 1000,
      errors: rule.errors,
      last_error: rule.lastError ?? null,
      firings: rule.firings.map((firing) => ({
        for_each: firing.subject.kind,
        name: firing.subject.name,
        severity: firing.severity,
        pending_at: at(firing.pendingAtMs),
        fired_at: at(firing.firedAtMs),
        ended_at: at(firing.endedAtMs),
        seconds: durationOf(firing, source) / 1000,
        closed_because: firing.closedBecause ?? null,
        values: Object.fromEntries((firing.values?.parts ?? []).map(({ text, value }) => [text, value])),
        annotations: firing.annotations,
      })),
    })),
  };
}

/** How far it is, on stderr, while a person waits there. */
class Progress {
  readonly #streams: Streams;
  readonly #clock: Clock;
  #shownMs = Number.NEGATIVE_INFINITY;

  constructor(streams: Streams, clock: Clock) {
    this.#streams = streams;
    this.#clock = clock;
  }

  show(text: string): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#streams.stderr.isTTY !== true || nowMs - this.#shownMs < PROGRESS_EVERY_MS) return;
    this.#shownMs = nowMs;
    this.#streams.stderr.write(`\r\x1b[K${text}`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shownMs !== Number.NEGATIVE_INFINITY) this.#streams.stderr.write('\r\x1b[K');
    this.#shownMs = Number.NEGATIVE_INFINITY;
  }
}

function invalid(message: string): PulselaneError {
  return new PulselaneError('invalid_argument', message);
}
