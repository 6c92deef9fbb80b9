/**
 * Evaluates rules on the facts of now: brings the facts up to date, then asks one rule after another.
 *
 *     shared memory ─► worker-facts ─► columns, windows ─► rule-evaluation ─► Evaluated
 *                                        └─► group-facts ─┘
 */
import type { Clock } from '../../lib/clock.ts';
import type { AlertSubject } from '../../model/alert.ts';
import type { WindowCall } from '../expression/checked.ts';
import { type FactRef, keyOf, partsOf } from '../expression/facts.ts';
import { NAMES } from '../expression/names.ts';
import type { Past } from '../past.ts';
import type { Rule } from '../rules/rule.ts';
import type { Evaluated } from './evaluated.ts';
import { type EvaluationTime, type Fleet, sendsValues } from './fleet.ts';
import { fieldRef, GroupFacts } from './group-facts.ts';
import { type RuleBudget, RuleEvaluation } from './rule-evaluation.ts';
import { WindowFiller } from './window-filler.ts';
import { WindowSet } from './window-set.ts';

export interface EvaluatorOptions {
  readonly fleet: Fleet;
  readonly past: Past;
  readonly clock: Clock;
  readonly budget?: RuleBudget;
  /** Tells once why windows cannot be filled from history. */
  readonly log?: (message: string) => void;
}

/** Figures of a rule since it was loaded. */
export interface EvaluationFigures {
  readonly lastEvaluatedUnixMs: number | null;
  readonly evaluationMs: number | null;
  readonly errors: number;
  readonly lastError: { readonly atUnixMs: number; readonly message: string } | null;
  /** What somebody has to look at; null: nothing. */
  readonly problem: { readonly detail: string; readonly sinceUnixMs: number } | null;
}

const NOT_EVALUATED: EvaluationFigures = {
  lastEvaluatedUnixMs: null,
  evaluationMs: null,
  errors: 0,
  lastError: null,
  problem: null,
};

export class Evaluator {
  readonly #options: EvaluatorOptions;
  readonly #groups: GroupFacts;
  readonly #windows = new WindowSet();
  readonly #filler: WindowFiller;
  /** By name. */
  #rules = new Map<string, RuleEvaluation>();
  /** New windows that have not been filled from the past yet. */
  #toFill: readonly WindowCall[] = [];

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    const { fleet, past, clock, log } = options;
    this.#groups = new GroupFacts(fleet);
    this.#filler = new WindowFiller({ past, clock, workers: fleet.workers, windows: this.#windows, log });
  }

  /** Bytes that windows take. */
  get windowBytes(): number {
    return this.#windows.bytes;
  }

  /** From now on these rules. Those that are the same object as before keep their figures. */
  load(rules: readonly Rule[]): void {
    const earlier = this.#rules;
    this.#rules = new Map(
      rules.map((rule) => {
        const known = earlier.get(rule.name);
        return [rule.name, known?.rule === rule ? known : this.#newRule(rule, known)];
      }),
    );
    const refs = new Map<string, FactRef>();
    const aggregates = new Map<string, FactRef>();
    for (const rule of rules) {
      for (const ref of refsOf(rule)) {
        const to = rule.forEach === 'worker' ? refs : aggregates;
        to.set(keyOf(ref), ref);
      }
    }
    const calls = [...refs.values()].flatMap((ref) => (ref.of === 'call' ? [ref.call as WindowCall] : []));
    const read = [...calls.map(({ metric }) => metric), ...fieldsOf(aggregates.values())].map(fieldRef);
    for (const ref of read) refs.set(keyOf(ref), ref);
    this.#options.fleet.want({ refs: [...refs.values()], keys: new Set(refs.keys()) });
    this.#groups.want([...aggregates.values()]);
    this.#toFill = this.#windows.set(calls).map(({ call }) => call);
    for (const call of calls) this.#defineWindow(call);
  }

  /** Whether the rule is left out at present, because it took too long. */
  isLeftOut({ name }: Rule): boolean {
    return this.#rules.get(name)?.isLeftOut ?? false;
  }

  /**
   * Evaluates these rules, all or some of those loaded. Each result is valid until the next evaluation of its rule. A rule that is left out
   * counts this call as one that leaves it out.
   * @param firingOf subjects whose alert of the rule fires: `clear_when` is evaluated for them
   */
  async evaluate(
    rules: readonly Rule[],
    firingOf: (rule: Rule) => Iterable<AlertSubject> = () => [],
  ): Promise<readonly Evaluated[]> {
    const { fleet, clock } = this.#options;
    const now: EvaluationTime = { unixMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
    this.#now = now;
    fleet.refresh(now, this.#windows);
    if (rules.some(({ forEach }) => forEach !== 'worker')) this.#groups.refresh();
    if (this.#toFill.length > 0) this.#filler.fill(this.#toFill);
    this.#toFill = [];
    const evaluated: Evaluated[] = [];
    for (const { name } of rules) {
      const rule = this.#rules.get(name);
      if (rule === undefined) continue;
      if (rule.isLeftOut) {
        rule.skip();
        continue;
      }
      await rule.evaluate(now, this.#problemOf(rule.rule), firingOf(rule.rule));
      evaluated.push(rule);
    }
    return evaluated;
  }

  figuresOf({ name }: Rule): EvaluationFigures {
    const { lastEvaluatedUnixMs, evaluationMs, errors, lastError, problem } = this.#rules.get(name) ?? NOT_EVALUATED;
    return { lastEvaluatedUnixMs, evaluationMs, errors, lastError, problem };
  }

  stop(): Promise<void> {
    return this.#filler.stop();
  }

  #now: EvaluationTime = { unixMs: 0, monotonicMs: 0 };

  #newRule(rule: Rule, earlier: RuleEvaluation | undefined): RuleEvaluation {
    const { fleet, clock, budget } = this.#options;
    return new RuleEvaluation(rule, { fleet, table: this.#tableOf(rule), clock, earlier, ...(budget && { budget }) });
  }

  #tableOf({ forEach }: Rule) {
    if (forEach === 'worker') return this.#options.fleet.workers;
    return forEach === 'group' ? this.#groups.groups : this.#groups.cluster;
  }

  /** Why the rule has no values. */
  #problemOf(rule: Rule): string | undefined {
    for (const call of rule.when.windows) {
      const problem = this.#windows.problemOf(call);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  #defineWindow(call: WindowCall): void {
    const { workers } = this.#options.fleet;
    // Counts of the master go on while the worker is silent.
    const isCounter = Object.hasOwn(NAMES.worker, call.metric) && NAMES.worker[call.metric]?.isCounter === true;
    workers.compute(keyOf({ of: 'call', call }), (out, rows) => {
      const window = this.#windows.get(call);
      const states = workers.textColumn('name state');
      for (let row = 0; row < rows; row++) {
        const isKnown = window !== undefined && (isCounter || sendsValues(states[row]));
        out[row] = isKnown ? window.at(row, this.#now.monotonicMs) : Number.NaN;
      }
    });
  }
}

/** Everything that the rule reads of its subjects. */
function refsOf(rule: Rule): readonly FactRef[] {
  const templates = Object.values(rule.annotations).flat();
  const shown = templates.filter((part) => typeof part !== 'string');
  const expressions = [rule.when, ...(rule.clearWhen === undefined ? [] : [rule.clearWhen]), ...shown];
  return expressions.flatMap((expression) => partsOf(expression).map(({ ref }) => ref));
}

/** Fields of workers that aggregates read. */
function fieldsOf(refs: Iterable<FactRef>): readonly string[] {
  const fields: string[] = [];
  for (const ref of refs) if (ref.of === 'call' && 'field' in ref.call) fields.push(ref.call.field);
  return fields;
}
