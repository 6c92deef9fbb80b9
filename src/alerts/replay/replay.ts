/**
 * Runs rules over series of the past: the evaluator and the state machine of a live master, with the time of the series. What would have
 * fired, and for how long.
 */
import type { Clock } from '../../lib/clock.ts';
import type { AlertSubject, AlertValues, ClosedBecause } from '../../model/alert.ts';
import { Evaluator } from '../evaluation/evaluator.ts';
import { NAMES } from '../expression/names.ts';
import { NO_PAST } from '../past.ts';
import type { Rule } from '../rules/rule.ts';
import { AlertStates } from '../state/alert-states.ts';
import { ReplayFleet } from './replay-fleet.ts';
import type { ReplaySource } from './track.ts';

export interface Firing {
  readonly rule: string;
  readonly severity: string;
  readonly subject: AlertSubject;
  /** Unix ms. */
  readonly pendingAtMs: number;
  readonly firedAtMs: number;
  /** Undefined: it still fires at the end. */
  readonly endedAtMs: number | undefined;
  readonly closedBecause: ClosedBecause | undefined;
  readonly values: AlertValues | null;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ReplayedRule {
  readonly name: string;
  readonly isShipped: boolean;
  readonly firings: readonly Firing[];
  /** How often it was pending and did not fire, and the longest of these times: what a shorter `for` would add. */
  readonly pendings: number;
  readonly longestPendingMs: number;
  /** Names that it reads and of which the source knows nothing: it was not run. */
  readonly unknownNames: readonly string[];
  readonly errors: number;
  readonly lastError: string | undefined;
}

export interface ReplayOptions {
  readonly rules: readonly Rule[];
  readonly source: ReplaySource;
  readonly evaluationIntervalMs: number;
  /** Of rules without `no_data_after`. */
  readonly noDataAfterMs: number;
  /** From 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

export interface ReplayResult {
  readonly rules: readonly ReplayedRule[];
  readonly evaluations: number;
}

export async function replay(options: ReplayOptions): Promise<ReplayResult> {
  const { rules, source, evaluationIntervalMs, noDataAfterMs, onProgress } = options;
  const unknown = new Map(rules.map((rule) => [rule, unknownNames(rule, source)]));
  const run = rules.filter((rule) => unknown.get(rule)?.length === 0);
  const clock = new ReplayClock();
  const evaluator = new Evaluator({ fleet: new ReplayFleet(source), past: NO_PAST, clock });
  // Each alert of a replay counts; what a live master would leave out is not the question.
  const states = new AlertStates({ noDataAfterMs, maxActive: Number.POSITIVE_INFINITY });
  const book = new FiringBook();
  clock.nowMs = source.fromMs;
  evaluator.load(run);
  states.setRules(run, { unixMs: clock.nowMs, attentiveMs: clock.nowMs });
  const dueInMs = (rule: Rule) => (evaluator.isLeftOut(rule) ? undefined : states.dueInMs(rule, clock.nowMs));
  let nextMs = source.fromMs;
  let evaluations = 0;
  while (clock.nowMs <= source.toMs) {
    const now = { unixMs: clock.nowMs, attentiveMs: clock.nowMs };
    const isWhole = clock.nowMs >= nextMs;
    const due = isWhole ? run : run.filter((rule) => dueInMs(rule) === 0);
    for (const evaluated of await evaluator.evaluate(due, (rule) => states.firingOf(rule)))
      states.apply(evaluated, now);
    for (const { record, from, to } of states.takeChanges().transitions) book.take(record, from, to, now.unixMs);
    evaluations++;
    if (isWhole) nextMs = clock.nowMs + Math.max(evaluationIntervalMs, source.stepMs(clock.nowMs));
    if (isWhole) onProgress?.((clock.nowMs - source.fromMs) / Math.max(1, source.toMs - source.fromMs));
    let waitMs = nextMs - clock.nowMs;
    for (const rule of run) waitMs = Math.min(waitMs, dueInMs(rule) ?? waitMs);
    clock.nowMs += Math.max(1, waitMs);
  }
  await evaluator.stop();
  return {
    evaluations,
    rules: rules.map((rule) => {
      const { errors, lastError } = evaluator.figuresOf(rule);
      return {
        name: rule.name,
        isShipped: rule.isShipped,
        ...book.of(rule.name),
        unknownNames: unknown.get(rule) ?? [],
        errors,
        lastError: lastError?.message,
      };
    }),
  };
}

function unknownNames(rule: Rule, { knows }: ReplaySource): string[] {
  const read = [rule.when, ...(rule.clearWhen === undefined ? [] : [rule.clearWhen])].flatMap(({ names, calls }) => [
    ...names,
    ...[...calls.values()].flatMap((call) => ('metric' in call ? [call.metric] : 'field' in call ? [call.field] : [])),
  ]);
  const isBuiltIn = (name: string) => Object.hasOwn(NAMES[rule.forEach], name) || Object.hasOwn(NAMES.worker, name);
  return [...new Set(read)].filter((name) => isBuiltIn(name) && !knows.has(name));
}

/** Time is what the replay says. */
class ReplayClock implements Clock {
  nowMs = 0;

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.nowMs;
  }

  after(): { cancel(): void } {
    return { cancel: () => {} };
  }

  every(): { cancel(): void } {
    return { cancel: () => {} };
  }
}

type Change = ReturnType<AlertStates['takeChanges']>['transitions'][number];

/** Firings from transitions. */
class FiringBook {
  readonly #firings = new Map<string, Firing[]>();
  readonly #pendings = new Map<string, { count: number; longestMs: number }>();

  take(record: Change['record'], from: Change['from'], to: Change['to'], nowMs: number): void {
    const all = this.#firings.get(record.rule) ?? [];
    this.#firings.set(record.rule, all);
    if (to === 'firing') {
      all.push({
        rule: record.rule,
        severity: record.severity,
        subject: record.subject,
        pendingAtMs: record.pendingSinceUnixMs,
        firedAtMs: nowMs,
        endedAtMs: undefined,
        closedBecause: undefined,
        values: record.values.firing,
        annotations: record.annotations,
      });
    } else if (from === 'firing') {
      const index = all.findLastIndex(({ subject }) => subject.name === record.subject.name);
      const last = all[index];
      if (last !== undefined)
        all[index] = { ...last, endedAtMs: nowMs, closedBecause: record.closedBecause ?? undefined };
    } else if (from === 'pending') {
      const known = this.#pendings.get(record.rule) ?? { count: 0, longestMs: 0 };
      known.count++;
      known.longestMs = Math.max(known.longestMs, nowMs - record.pendingSinceUnixMs);
      this.#pendings.set(record.rule, known);
    }
  }

  of(rule: string): Pick<ReplayedRule, 'firings' | 'pendings' | 'longestPendingMs'> {
    const { count = 0, longestMs = 0 } = this.#pendings.get(rule) ?? {};
    return { firings: this.#firings.get(rule) ?? [], pendings: count, longestPendingMs: longestMs };
  }
}
