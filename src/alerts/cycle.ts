/**
 * One evaluation after another:
 *
 *     facts ─► rules that are due ─► what they found ─► states ─► ONE transaction: changed alerts, notifications ─► shown, delivered
 *
 * All rules are evaluated every evaluation_interval, counted from the first; one that takes longer leaves out those it overlaps. A
 * rule whose `for` or `keep_firing_for` ends earlier is evaluated when it does.
 *
 * What cannot be stored (a full disk) goes on in memory and is stored by the next evaluation that can. Notifications leave only
 * after the transaction that has their reason, so that nothing fires twice after a restart.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock, Timer } from '../lib/clock.ts';
import { LEAST_WAIT_MS, STORE_PROGRESS_EVERY_MS, TURN_MS } from './alerts-limits.ts';
import type { Evaluation, Notices } from './parts.ts';
import type { Rule, RuleSet } from './rules/rule.ts';
import type { AlertStates, StateChanges } from './state/alert-states.ts';
import type { Now } from './state/record.ts';
import type { AlertStore } from './store/alert-store.ts';
import { readAlerts, writeAlerts } from './store/stored-alerts.ts';

export interface CycleOptions {
  readonly evaluation: Omit<Evaluation, 'announced' | 'figuresOf' | 'stop'>;
  readonly notices: Notices;
  readonly states: AlertStates;
  readonly store: AlertStore;
  readonly clock: Clock;
  /** Attentive time: never less than before. */
  readonly attentiveMs: () => number;
  /** After each evaluation. */
  readonly onDone: (changes: StateChanges, shown: ReadonlySet<string>) => void;
  readonly onLoss: (message: string) => void;
  /** A bug: the thread ends by it. */
  readonly onError: (error: unknown) => void;
}

export interface CycleFigures {
  readonly evaluations: number;
  readonly skipped: number;
  readonly lastEvaluatedUnixMs: number | null;
  readonly evaluationMs: number | null;
  readonly totalMs: number;
}

export class Cycle {
  readonly #options: CycleOptions;
  #rules: readonly Rule[] = [];
  #intervalMs = 0;
  /** When all rules are evaluated next, by the monotonic clock. */
  #nextMs = 0;
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  #isLoaded = false;
  /** Not stored yet. */
  readonly #unsaved = new Set<string>();
  readonly #unsavedRemovals = new Set<string>();
  #areNoticesUnsaved = false;
  #storedMs = Number.NEGATIVE_INFINITY;
  #evaluations = 0;
  #skipped = 0;
  #lastEvaluatedUnixMs: number | null = null;
  #evaluationMs: number | null = null;
  #totalMs = 0;
  /** What each rule found at its last evaluation. */
  readonly #holding = new Map<string, number>();

  constructor(options: CycleOptions) {
    this.#options = options;
  }

  get figures(): CycleFigures {
    return {
      evaluations: this.#evaluations,
      skipped: this.#skipped,
      lastEvaluatedUnixMs: this.#lastEvaluatedUnixMs,
      evaluationMs: this.#evaluationMs,
      totalMs: this.#totalMs,
    };
  }

  /** Subjects for which the rule held at its last evaluation. */
  holding(rule: string): number {
    return this.#holding.get(rule) ?? 0;
  }

  /** Sets the rules, and begins if it is the first time: with what was stored. Resolves after the evaluation that follows. */
  load(rules: RuleSet): Promise<void> {
    const { evaluation, notices, states, clock } = this.#options;
    return this.#inTurn(async () => {
      if (!this.#isLoaded) await this.#open();
      this.#rules = rules.rules;
      this.#intervalMs = rules.evaluationIntervalMs;
      for (const name of this.#holding.keys())
        if (!rules.rules.some((rule) => rule.name === name)) this.#holding.delete(name);
      evaluation.load(rules.rules);
      notices.load(rules);
      states.setRules(rules.rules, this.#now());
      this.#nextMs = clock.monotonicMs();
      await this.#evaluate();
    });
  }

  /** Does `work` between evaluations, then stores and shows what it changed: silences, for example. */
  change<T>(work: (now: Now) => T): Promise<T> {
    let result: T;
    return this.#inTurn(async () => {
      const now = this.#now();
      result = work(now);
      await this.#settle(now);
    }).then(() => result);
  }

  /** Ends after the evaluation that is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#running;
    this.#options.store.close();
  }

  #now(): Now {
    return { unixMs: this.#options.clock.wallMs(), attentiveMs: this.#options.attentiveMs() };
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#running.then(async () => {
      if (this.#isStopped) return;
      this.#timer?.cancel();
      await work();
      this.#schedule();
    });
    this.#running = done.catch(this.#options.onError);
    return done;
  }

  #schedule(): void {
    if (this.#isStopped) return;
    const { clock, notices } = this.#options;
    let waitMs = this.#nextMs - clock.monotonicMs();
    const now = this.#now();
    for (const rule of this.#rules) waitMs = Math.min(waitMs, this.#dueInMs(rule, now.attentiveMs) ?? waitMs);
    waitMs = Math.min(waitMs, notices.dueInMs(now) ?? waitMs);
    this.#timer?.cancel();
    this.#timer = clock.after(Math.max(LEAST_WAIT_MS, waitMs), () => {
      this.#inTurn(() => this.#evaluate()).catch(() => undefined);
    });
  }

  /** A rule that is left out has nothing due before the next evaluation of all. */
  #dueInMs(rule: Rule, attentiveMs: number): number | undefined {
    const { evaluation, states } = this.#options;
    return evaluation.isLeftOut?.(rule) === true ? undefined : states.dueInMs(rule, attentiveMs);
  }

  async #evaluate(): Promise<void> {
    const { evaluation, states, clock } = this.#options;
    const startMs = clock.monotonicMs();
    const isWhole = startMs >= this.#nextMs - LEAST_WAIT_MS;
    if (isWhole) this.#advance(startMs);
    const { attentiveMs } = this.#now();
    const rules = isWhole ? this.#rules : this.#rules.filter((rule) => this.#dueInMs(rule, attentiveMs) === 0);
    if (rules.length === 0 && !isWhole) return this.#settle(this.#now());
    const found = rules.length === 0 ? [] : await evaluation.evaluate(rules, (rule) => states.firingOf(rule));
    const now = this.#now();
    let turnMs = clock.monotonicMs();
    for (const evaluated of found) {
      this.#holding.set(evaluated.rule.name, states.apply(evaluated, now));
      if (clock.monotonicMs() - turnMs < TURN_MS) continue;
      await setImmediate();
      turnMs = clock.monotonicMs();
    }
    if (isWhole) {
      states.forgetOld(now);
      this.#evaluations++;
      this.#lastEvaluatedUnixMs = now.unixMs;
      this.#evaluationMs = clock.monotonicMs() - startMs;
      this.#totalMs += this.#evaluationMs;
    }
    await this.#settle(now);
  }

  #advance(nowMs: number): void {
    const missed = Math.floor((nowMs - this.#nextMs) / this.#intervalMs);
    if (missed >= 1 && this.#evaluations > 0) this.#skipped += missed;
    this.#nextMs += (Math.max(0, missed) + 1) * this.#intervalMs;
  }

  /** Plans, stores, and tells. */
  async #settle(now: Now): Promise<void> {
    const { notices, states, onDone } = this.#options;
    const changes = states.takeChanges();
    for (const id of changes.stored) {
      this.#unsaved.add(id);
      this.#unsavedRemovals.delete(id);
    }
    for (const id of changes.removed) {
      this.#unsaved.delete(id);
      this.#unsavedRemovals.add(id);
    }
    notices.plan(changes, states, now);
    const isStored = await this.#store(now);
    notices.written(isStored);
    const shown = new Set(changes.shown);
    for (const id of notices.takeShown()) shown.add(id);
    onDone(changes, shown);
  }

  async #store(now: Now): Promise<boolean> {
    const { evaluation, notices, states, store, clock } = this.#options;
    if ((await this.#reopened()) === 'empty') {
      for (const { id } of states.all()) this.#unsaved.add(id);
      this.#areNoticesUnsaved = true;
    }
    const isProgressDue = clock.monotonicMs() - this.#storedMs >= STORE_PROGRESS_EVERY_MS && states.isCounting;
    const isAll = this.#areNoticesUnsaved;
    const isStored = store.write((connection) => {
      if (this.#unsaved.size > 0 || this.#unsavedRemovals.size > 0 || isProgressDue) {
        const changed = [...this.#unsaved].flatMap((id) => states.get(id) ?? []);
        writeAlerts(connection, changed, this.#unsavedRemovals, now.attentiveMs);
      }
      evaluation.write?.(connection, isAll);
      notices.write(connection, isAll);
    });
    if (!isStored) return false;
    evaluation.written?.();
    if (this.#unsaved.size > 0 || this.#unsavedRemovals.size > 0 || isProgressDue) this.#storedMs = clock.monotonicMs();
    this.#unsaved.clear();
    this.#unsavedRemovals.clear();
    this.#areNoticesUnsaved = false;
    return true;
  }

  /** Opens the file if it is not open. What was stored before is taken the first time that it can be read. */
  async #reopened(): Promise<'kept' | 'empty' | undefined> {
    const opened = await this.#options.store.open();
    if (opened === undefined || this.#isLoaded) return opened;
    if (opened === 'kept' && !this.#read()) return undefined;
    // Rules may have changed since it was written.
    this.#options.states.setRules(this.#rules, this.#now());
    return opened;
  }

  async #open(): Promise<void> {
    const opened = await this.#options.store.open();
    if (opened === 'kept') this.#read();
    if (opened === 'empty') this.#isLoaded = true;
  }

  #read(): boolean {
    const { evaluation, states, notices, store, onLoss } = this.#options;
    try {
      store.read((connection) => {
        const { records, seenMs, unreadable } = readAlerts(connection);
        states.load(records, seenMs);
        evaluation.read?.(connection);
        notices.read(connection);
        if (unreadable > 0) onLoss(`${unreadable} alerts of the file of alerts cannot be read and are left out`);
      });
    } catch {
      // The store says why, and is opened again before the next evaluation.
      return false;
    }
    this.#isLoaded = true;
    return true;
  }
}
