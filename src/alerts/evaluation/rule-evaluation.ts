/**
 * One rule: its condition over all its subjects, what CEL's own evaluator has to say about the rest of them, and what the rule costs.
 *
 * A rule has RULE_BUDGET_MS for each evaluation. The columns take microseconds; CEL's own evaluator works in pieces, between which the
 * event loop gets a turn, and is cut off at the end of the budget, even within one subject. The subjects that are left are errors of that
 * evaluation, and the rule is then evaluated half as often, at least once in MAX_SKIPPED evaluations, until it keeps to its budget.
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
import { MAX_ERROR_TEXT, MAX_SKIPPED, PIECE_MS, RULE_BUDGET_MS } from './evaluation-limits.ts';
import type { FactTable } from './fact-table.ts';
import type { EvaluationTime, Fleet } from './fleet.ts';
import { runWithin, TookTooLong } from './guard.ts';
import { RowValues } from './subject-values.ts';

export interface RuleBudget {
  readonly budgetMs: number;
  readonly pieceMs: number;
}
const DEFAULT_BUDGET: RuleBudget = { budgetMs: RULE_BUDGET_MS, pieceMs: PIECE_MS };

/** Of one evaluation of the rule. */
interface Failure {
  readonly message: string;
  /** It did not keep to its budget. */
  readonly isSlow: boolean;
}

export interface RuleEvaluationOptions {
  readonly fleet: Fleet;
  readonly table: FactTable;
  readonly clock: Clock;
  readonly budget?: RuleBudget;
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
  readonly #shown = new Map<CheckedExpression, LibraryEvaluation>();
  /** Of `when`, by row. */
  #verdicts = new Uint8Array(0);
  #clearVerdicts: Uint8Array | undefined;
  /** How many evaluations are left out after each one, and how many of them are still to come. */
  #skips = 0;
  #toSkip = 0;

  constructor(rule: Rule, { fleet, table, clock, budget = DEFAULT_BUDGET }: RuleEvaluationOptions) {
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
  }

  /** Whether it is left out this time, because it took too long. */
  skips(): boolean {
    if (this.#toSkip === 0) return false;
    this.#toSkip--;
    return true;
  }

  /** @param problem why the rule cannot be evaluated; undefined: it can be */
  async evaluate(now: EvaluationTime, problem: string | undefined): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    const { rows } = this.#table;
    if (this.#verdicts.length < rows) this.#verdicts = new Uint8Array(this.#table.room);
    this.#clearVerdicts = undefined;
    this.atUnixMs = now.unixMs;
    let failure: Failure | undefined;
    if (problem === undefined) {
      this.#verdicts.set(this.#when.columns(this.#table).subarray(0, rows));
      failure = await this.#decide();
    } else {
      this.#verdicts.fill(FAILED, 0, rows);
      failure = { message: problem, isSlow: false };
    }
    this.lastEvaluatedUnixMs = now.unixMs;
    this.evaluationMs = this.#clock.monotonicMs() - startMs;
    this.#skips = failure?.isSlow === true ? Math.min(MAX_SKIPPED - 1, this.#skips * 2 + 1) : 0;
    this.#toSkip = this.#skips;
    if (failure === undefined) return;
    this.errors++;
    const message = failure.message.slice(0, MAX_ERROR_TEXT);
    this.lastError = { atUnixMs: now.unixMs, message };
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
    const condition = this.#clearWhen as CompiledCondition;
    this.#clearVerdicts ??= condition.columns(this.#table);
    const verdict = this.#clearVerdicts[row] as number;
    if (verdict !== UNDECIDED) return VERDICTS[verdict] ?? 'error';
    this.#values.row = row;
    return VERDICTS[this.#guarded(condition, () => condition.decide(this.#values)) ?? FAILED] ?? 'error';
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

  /** Asks CEL's own evaluator about the rest. @returns what failed */
  async #decide(): Promise<Failure | undefined> {
    const table = this.#table;
    let failed = 0;
    let firstFailed = -1;
    const undecided: number[] = [];
    for (let row = 0; row < table.rows; row++) {
      const verdict = this.#verdicts[row] as number;
      if (verdict < FAILED || table.nameOf(row) === undefined || this.#isHeld(row)) continue;
      if (verdict === UNDECIDED) undecided.push(row);
      else {
        failed++;
        if (firstFailed < 0) firstFailed = row;
      }
    }
    let spentMs = 0;
    let done = 0;
    while (done < undecided.length && spentMs < this.#budget.budgetMs) {
      const startMs = this.#clock.monotonicMs();
      const from = done;
      done = this.#piece(undecided, done, startMs, this.#budget.budgetMs - spentMs);
      spentMs += this.#clock.monotonicMs() - startMs;
      for (let n = from; n < done; n++) {
        if (this.#verdicts[undecided[n] as number] !== FAILED) continue;
        failed++;
        if (firstFailed < 0) firstFailed = undecided[n] as number;
      }
      if (done === from) break;
      if (done < undecided.length) await setImmediate();
    }
    if (done < undecided.length) {
      for (let n = done; n < undecided.length; n++) this.#verdicts[undecided[n] as number] = FAILED;
      const left = undecided.length - done;
      return {
        message: `took longer than ${this.#budget.budgetMs} ms, and was cut off with ${left} of ${table.size} subjects left; it is evaluated less often until it keeps to that`,
        isSlow: true,
      };
    }
    if (failed === 0) return undefined;
    const others = failed === 1 ? '' : `, and for ${failed - 1} other subjects`;
    return { message: `${this.#nameOf(firstFailed)}: ${this.#errorOf(firstFailed)}${others}`, isSlow: false };
  }

  /** Subjects until the piece's time is over. @returns the first that is left; the same as `from`: the budget is over */
  #piece(rows: readonly number[], from: number, startMs: number, leftMs: number): number {
    let at = from;
    const untilMs = startMs + Math.min(this.#budget.pieceMs, leftMs);
    this.#guarded(
      this.#when,
      () => {
        do {
          const row = rows[at] as number;
          this.#values.row = row;
          this.#verdicts[row] = this.#when.decide(this.#values);
          at++;
        } while (at < rows.length && this.#clock.monotonicMs() < untilMs);
      },
      leftMs,
    );
    return at;
  }

  /** @returns undefined: it took too long */
  #guarded<T>(condition: CompiledCondition, work: () => T, withinMs = this.#budget.budgetMs): T | undefined {
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

  #errorOf(row: number): string {
    this.#values.row = row;
    const message = this.#guarded(this.#when, () => {
      try {
        this.#when.library(this.#values);
        return 'failed';
      } catch (error) {
        return errorText(error);
      }
    });
    return message ?? 'took too long';
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
      } catch {
        // What cannot be shown is shown as missing; a mistake of the condition itself is told as an error of the rule.
      }
    };
    try {
      if (mayLoop(expression)) runWithin(this.#budget.pieceMs, read);
      else read();
    } catch (error) {
      if (!(error instanceof TookTooLong)) throw error;
    }
    return Array.isArray(value) ? value.map(String) : shownValue(value);
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
