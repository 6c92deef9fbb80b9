/**
 * One rule: its condition over all its subjects, what CEL's own evaluator has to say about the rest of them, and what the rule costs.
 *
 * A rule has RULE_BUDGET_MS for each evaluation, `when` and `clear_when` together. The columns take microseconds; CEL's own evaluator works
 * in pieces, between which the event loop gets a turn, and is cut off at the end of the budget, even within one subject. The subjects that
 * are left are errors of that evaluation, and the rule is then evaluated half as often, at least once in MAX_SKIPPED evaluations, until it
 * keeps to its budget. Annotations are rendered only if somebody asks for them, after the evaluation; those that may loop have
 * SHOWN_BUDGET_MS for all subjects, and after that no value.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.ts';
import type { AlertSubject, AlertValue, AlertValues } from '../../model/alert.ts';
import type { CheckedExpression } from '../expression/checked.ts';
import { type Condition, compileCondition, FAILED, FALSE, NO_DATA, TRUE, UNDECIDED } from '../expression/compile.ts';
import { type Part, partsOf } from '../expression/facts.ts';
import { errorText, type LibraryEvaluation, libraryEvaluation, NoData, shownValue } from '../expression/library.ts';
import { mayLoop } from '../expression/may-loop.ts';
import { renderTemplate } from '../expression/template.ts';
import type { Rule } from '../rules/rule.ts';
import type { Evaluated, Verdict } from './evaluated.ts';
import { MAX_ERROR_TEXT, MAX_SKIPPED, PIECE_MS, RULE_BUDGET_MS, SHOWN_BUDGET_MS } from './evaluation-limits.ts';
import type { FactTable } from './fact-table.ts';
import type { EvaluationTime, Fleet } from './fleet.ts';
import { runWithin, TookTooLong } from './guard.ts';
import { RuleTrouble } from './rule-trouble.ts';
import { RowValues } from './subject-values.ts';

export interface RuleBudget {
  readonly budgetMs: number;
  readonly pieceMs: number;
  readonly shownMs: number;
}
const DEFAULT_BUDGET: RuleBudget = { budgetMs: RULE_BUDGET_MS, pieceMs: PIECE_MS, shownMs: SHOWN_BUDGET_MS };

/** Of one evaluation of the rule. */
interface Failure {
  readonly message: string;
  /** It did not keep to its budget. */
  readonly isSlow: boolean;
}

/** Subjects for which CEL's own evaluator is asked, and those for which the columns have failed. */
interface Open {
  readonly undecided: readonly number[];
  readonly failed: readonly number[];
}

export interface RuleEvaluationOptions {
  readonly fleet: Fleet;
  readonly table: FactTable;
  readonly clock: Clock;
  readonly budget?: RuleBudget;
  /** Of a rule with the same name, loaded before. */
  readonly earlier?: RuleEvaluation | undefined;
}

/** What a rule found at its last evaluation. It is valid until its next one. */
export class RuleEvaluation implements Evaluated {
  readonly rule: Rule;
  atUnixMs = 0;
  lastEvaluatedUnixMs: number | null = null;
  evaluationMs: number | null = null;
  errors = 0;
  lastError: { readonly atUnixMs: number; readonly message: string } | null = null;
  readonly #fleet: Fleet;
  readonly #table: FactTable;
  readonly #clock: Clock;
  readonly #budget: RuleBudget;
  readonly #when: CompiledCondition;
  readonly #clearWhen: CompiledCondition | undefined;
  readonly #parts: readonly Part[];
  readonly #values: RowValues;
  readonly #trouble: RuleTrouble;
  readonly #shown = new Map<CheckedExpression, LibraryEvaluation>();
  /** Of `when`, by row. */
  #verdicts = new Uint8Array(0);
  /** Of `clear_when`, by row: only of subjects with a firing alert for which `when` fails. */
  #clearVerdicts = new Map<number, number>();
  /** What is left of the rule's time at this evaluation. */
  #leftMs = 0;
  /** What is left of the time for annotations, and whether one has failed, since the last evaluation. */
  #shownLeftMs = 0;
  #hasFailed = false;
  /** How many evaluations are left out after each one, and how many of them are still to come. */
  #skips = 0;
  #toSkip = 0;

  constructor(rule: Rule, { fleet, table, clock, budget = DEFAULT_BUDGET, earlier }: RuleEvaluationOptions) {
    this.rule = rule;
    this.#fleet = fleet;
    this.#table = table;
    this.#clock = clock;
    this.#budget = budget;
    this.#when = new CompiledCondition(rule.when);
    this.#clearWhen = rule.clearWhen && new CompiledCondition(rule.clearWhen);
    const texts = new Set<string>();
    this.#parts = partsOf(rule.when).filter(({ text }) => !texts.has(text) && texts.add(text));
    this.#values = new RowValues(table, rule.forEach, fleet);
    // Shipped rules are for every fleet: one without GPUs never has their values.
    const longestWindowMs = Math.max(0, ...rule.when.windows.map(({ windowMs }) => windowMs));
    // A reload ends no trouble of a rule that it does not change.
    const isSame = earlier?.rule.digest === rule.digest;
    this.#trouble = isSame ? earlier.#trouble : new RuleTrouble(longestWindowMs, !rule.isShipped);
  }

  /** What somebody has to look at; null: nothing. */
  get problem(): { readonly detail: string; readonly sinceUnixMs: number } | null {
    const trouble = this.#trouble.now;
    if (trouble === undefined) return null;
    const { sinceUnixMs, failure } = trouble;
    const detail = failure === undefined ? this.#missingText() : `fails: ${failure}`;
    return { detail: `rule ${this.rule.name} ${detail}`, sinceUnixMs };
  }

  /** Whether it is left out at present, because it took too long. */
  get isLeftOut(): boolean {
    return this.#toSkip > 0;
  }

  /** An evaluation of all rules leaves it out. */
  skip(): void {
    this.#toSkip--;
  }

  /**
   * @param problem why the rule cannot be evaluated; undefined: it can be
   * @param firing subjects whose alerts fire: `clearOf` knows them
   */
  async evaluate(now: EvaluationTime, problem: string | undefined, firing: Iterable<AlertSubject>): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    const { rows } = this.#table;
    if (this.#verdicts.length < rows) this.#verdicts = new Uint8Array(this.#table.room);
    this.#clearVerdicts.clear();
    this.#shownLeftMs = this.#budget.shownMs;
    this.#hasFailed = false;
    this.atUnixMs = now.unixMs;
    let failure: Failure | undefined;
    if (problem === undefined) {
      this.#verdicts.set(this.#when.columns(this.#table).subarray(0, rows));
      this.#leftMs = this.#budget.budgetMs;
      const open = this.#openRows();
      const failed = await this.#decide(this.#when, open, (row, verdict) => {
        this.#verdicts[row] = verdict;
      });
      const clearFailed = await this.#decideClear(firing);
      failure = clearFailed?.isSlow === true ? clearFailed : (failed ?? clearFailed);
    } else {
      this.#verdicts.fill(FAILED, 0, rows);
      failure = { message: problem, isSlow: false };
    }
    this.lastEvaluatedUnixMs = now.unixMs;
    this.evaluationMs = this.#clock.monotonicMs() - startMs;
    this.#skips = failure?.isSlow === true ? Math.min(MAX_SKIPPED - 1, this.#skips * 2 + 1) : 0;
    this.#toSkip = this.#skips;
    this.#trouble.add({ ...now, failure: failure?.message.slice(0, MAX_ERROR_TEXT), ...this.#look() });
    if (failure !== undefined) this.#fails(failure.message);
  }

  get holding(): Iterable<AlertSubject> {
    return this.#holding();
  }

  verdictOf({ name }: AlertSubject): Verdict {
    const row = this.#table.rowOf(name);
    if (row === undefined) return 'removed';
    return this.#isHeld(row) ? 'held' : (VERDICTS[this.#verdicts[row] as number] ?? 'error');
  }

  clearOf({ name }: AlertSubject): Verdict {
    const row = this.#table.rowOf(name);
    if (row === undefined) return 'removed';
    if (this.#isHeld(row)) return 'held';
    return VERDICTS[this.#clearVerdicts.get(row) ?? FAILED] ?? 'error';
  }

  valuesOf({ name }: AlertSubject): AlertValues {
    const row = this.#table.rowOf(name);
    const parts = this.#parts.map(({ text, ref }) => ({
      text,
      value: row === undefined ? null : this.#shownPart(row, ref),
    }));
    return { atUnixMs: this.atUnixMs, parts };
  }

  labelsOf({ kind, name }: AlertSubject): Readonly<Record<string, string>> {
    const row = kind === 'worker' ? this.#table.rowOf(name) : undefined;
    if (row === undefined) return {};
    const group = this.#table.textColumn('name group')[row] ?? '';
    return { ...this.#fleet.labelsOf(row), ...(group === '' ? {} : { group }) };
  }

  annotationsOf({ name }: AlertSubject): Readonly<Record<string, string>> {
    const row = this.#table.rowOf(name);
    const rendered = Object.entries(this.rule.annotations).map(([key, template]) => [
      key,
      renderTemplate(template, (expression) => (row === undefined ? null : this.#shownValue(row, expression))),
    ]);
    return Object.fromEntries(rendered);
  }

  /** Only until there was a value: it reads all subjects. */
  #look(): { readonly hasSubjects: boolean; readonly hasValue: boolean } {
    let hasSubjects = false;
    if (!this.#trouble.awaitsValue) return { hasSubjects, hasValue: true };
    for (let row = 0; row < this.#table.rows; row++) {
      if (this.#table.nameOf(row) === undefined || this.#isHeld(row)) continue;
      hasSubjects = true;
      if (this.#verdicts[row] !== NO_DATA) return { hasSubjects, hasValue: true };
    }
    return { hasSubjects, hasValue: false };
  }

  /** Which parts no subject has. */
  #missingText(): string {
    const { rows } = this.#table;
    const isMissing = ({ ref }: Part) => {
      for (let row = 0; row < rows; row++) {
        if (this.#table.nameOf(row) !== undefined && this.#shownPart(row, ref) !== null) return false;
      }
      return true;
    };
    const missing = this.#parts.filter(isMissing).map(({ text }) => text);
    const what = missing.length === 0 ? 'all that it asks for' : missing.join(', ').slice(0, MAX_ERROR_TEXT);
    const subject = { worker: 'no worker has', group: 'no group has', cluster: 'the cluster does not have' };
    return `has had no value since it was loaded: ${subject[this.rule.forEach]} ${what}`;
  }

  *#holding(): Generator<AlertSubject> {
    const { rows } = this.#table;
    for (let row = 0; row < rows; row++) {
      if (this.#verdicts[row] !== TRUE) continue;
      const name = this.#table.nameOf(row);
      if (name !== undefined && !this.#isHeld(row)) yield { kind: this.rule.forEach, name };
    }
  }

  /** A group whose brake is engaged is judged only by rules that ask for the brake. */
  #isHeld(row: number): boolean {
    const { all, groups } = this.#fleet.held;
    if (all) return true;
    if (groups.size === 0 || this.rule.forEach === 'cluster') return false;
    if (this.rule.forEach === 'worker') return groups.has(this.#table.textColumn('name group')[row] ?? '');
    return !this.rule.when.names.includes('brake') && groups.has(this.#table.nameOf(row) ?? '');
  }

  /** One error per evaluation is counted: the first. */
  #fails(message: string): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.errors++;
    this.lastError = { atUnixMs: this.atUnixMs, message: message.slice(0, MAX_ERROR_TEXT) };
  }

  #openRows(): Open {
    const open = { undecided: [] as number[], failed: [] as number[] };
    for (let row = 0; row < this.#table.rows; row++) {
      const verdict = this.#verdicts[row] as number;
      if (verdict < FAILED || this.#table.nameOf(row) === undefined || this.#isHeld(row)) continue;
      (verdict === UNDECIDED ? open.undecided : open.failed).push(row);
    }
    return open;
  }

  async #decideClear(firing: Iterable<AlertSubject>): Promise<Failure | undefined> {
    const condition = this.#clearWhen;
    if (condition === undefined) return undefined;
    let columns: Uint8Array | undefined;
    const open = { undecided: [] as number[], failed: [] as number[] };
    for (const { name } of firing) {
      const row = this.#table.rowOf(name);
      if (row === undefined || this.#verdicts[row] !== FALSE || this.#isHeld(row)) continue;
      columns ??= condition.columns(this.#table);
      const verdict = columns[row] as number;
      if (verdict === UNDECIDED) open.undecided.push(row);
      else this.#clearVerdicts.set(row, verdict);
      if (verdict === FAILED) open.failed.push(row);
    }
    const failure = await this.#decide(condition, open, (row, verdict) => {
      this.#clearVerdicts.set(row, verdict);
    });
    return failure && { ...failure, message: `clear_when: ${failure.message}` };
  }

  /** Asks CEL's own evaluator about the rest. @returns what failed */
  async #decide(
    condition: CompiledCondition,
    { undecided, failed: failedBefore }: Open,
    set: (row: number, verdict: number) => void,
  ): Promise<Failure | undefined> {
    const failed = [...failedBefore];
    const decide = (row: number, verdict: number) => {
      if (verdict === FAILED) failed.push(row);
      set(row, verdict);
    };
    let done = 0;
    while (done < undecided.length && this.#leftMs > 0) {
      const startMs = this.#clock.monotonicMs();
      const from = done;
      done = this.#piece(condition, undecided, done, startMs, decide);
      this.#leftMs -= this.#clock.monotonicMs() - startMs;
      if (done === from) break;
      if (done < undecided.length) await setImmediate();
    }
    if (done < undecided.length) {
      for (const row of undecided.slice(done)) set(row, FAILED);
      const left = undecided.length - done;
      return {
        message: `took longer than ${this.#budget.budgetMs} ms, and was cut off with ${left} of ${this.#table.size} subjects left; it is evaluated less often until it keeps to that`,
        isSlow: true,
      };
    }
    const [first] = failed;
    if (first === undefined) return undefined;
    const more = failed.length - 1;
    const others = more === 0 ? '' : `, and ${more} more ${more === 1 ? 'subject' : 'subjects'}`;
    return { message: `${this.#nameOf(first)}: ${this.#errorOf(condition, first)}${others}`, isSlow: false };
  }

  /** Subjects until the piece's time is over. @returns the first that is left; the same as `from`: the budget is over */
  #piece(
    condition: CompiledCondition,
    rows: readonly number[],
    from: number,
    startMs: number,
    decide: (row: number, verdict: number) => void,
  ): number {
    let at = from;
    const leftMs = this.#leftMs;
    const untilMs = startMs + Math.min(this.#budget.pieceMs, leftMs);
    this.#guarded(
      condition,
      () => {
        do {
          const row = rows[at] as number;
          this.#values.row = row;
          decide(row, condition.decide(this.#values));
          at++;
        } while (at < rows.length && this.#clock.monotonicMs() < untilMs);
      },
      leftMs,
    );
    return at;
  }

  /** @returns undefined: it took too long */
  #guarded<T>(condition: CompiledCondition, work: () => T, withinMs: number): T | undefined {
    if (!condition.mayLoop) return work();
    let result: T | undefined;
    try {
      runWithin(withinMs, () => {
        result = work();
      });
    } catch (error) {
      if (!(error instanceof TookTooLong)) throw error;
      return undefined;
    }
    return result;
  }

  #nameOf(row: number): string {
    const name = this.#table.nameOf(row) ?? '';
    if (this.rule.forEach === 'cluster') return 'the cluster';
    return name === '' ? 'workers without a group' : name;
  }

  #errorOf(condition: CompiledCondition, row: number): string {
    this.#values.row = row;
    const read = () => {
      try {
        condition.library(this.#values);
        return 'failed';
      } catch (error) {
        return errorText(error);
      }
    };
    return this.#guarded(condition, read, this.#budget.pieceMs) ?? 'took too long';
  }

  #shownPart(row: number, ref: Part['ref']): AlertValue {
    this.#values.row = row;
    if (ref.of !== 'name') return shownValue(this.#values.value(ref));
    switch (ref.name) {
      case 'gpus': {
        const gpus = this.#values.gpus();
        return gpus === undefined ? null : `${gpus.length} devices`;
      }
      case 'metrics':
        return `${Object.keys(this.#values.metrics()).length} metrics`;
      case 'labels':
        return `${Object.keys(this.#values.labels()).length} labels`;
      default:
        return shownValue(this.#values.value(ref));
    }
  }

  #shownValue(row: number, expression: CheckedExpression): AlertValue | readonly string[] {
    let evaluate = this.#shown.get(expression);
    if (evaluate === undefined) {
      evaluate = libraryEvaluation(expression);
      this.#shown.set(expression, evaluate);
    }
    this.#values.row = row;
    const shown = evaluate;
    let value: unknown;
    const read = () => {
      try {
        value = shown(this.#values);
      } catch (error) {
        if (!(error instanceof NoData)) this.#fails(`annotations: ${this.#nameOf(row)}: ${errorText(error)}`);
      }
    };
    if (mayLoop(expression)) this.#withinShownBudget(read);
    else read();
    return Array.isArray(value) ? value.map(String) : shownValue(value);
  }

  #withinShownBudget(read: () => void): void {
    const startMs = this.#clock.monotonicMs();
    try {
      if (this.#shownLeftMs <= 0) throw new TookTooLong();
      runWithin(Math.min(this.#budget.pieceMs, this.#shownLeftMs), read);
    } catch (error) {
      if (!(error instanceof TookTooLong)) throw error;
      this.#fails('annotations took too long; those that are left have no value');
    } finally {
      this.#shownLeftMs -= this.#clock.monotonicMs() - startMs;
    }
  }
}

const VERDICTS: Readonly<Record<number, Verdict>> = {
  [FALSE]: 'fails',
  [TRUE]: 'holds',
  [NO_DATA]: 'no_data',
  [FAILED]: 'error',
};

/** A condition, as columns and as CEL's own evaluator sees it. */
class CompiledCondition {
  readonly columns: Condition;
  readonly library: LibraryEvaluation;
  /** Whether it may take long for a single subject. */
  readonly mayLoop: boolean;

  constructor(expression: CheckedExpression) {
    this.columns = compileCondition(expression);
    this.library = libraryEvaluation(expression);
    this.mayLoop = mayLoop(expression);
  }

  /** Of one subject. */
  decide(subject: RowValues): number {
    try {
      return this.library(subject) === true ? TRUE : FALSE;
    } catch (error) {
      return error instanceof NoData ? NO_DATA : FAILED;
    }
  }
}
