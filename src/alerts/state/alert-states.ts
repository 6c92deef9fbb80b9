/**
 * All alerts: takes what evaluations found, and says what has changed.
 *
 *     Evaluated ─► step (machine.ts) ─► records ─► changes: to store, to plan notifications from, to show
 */
import type { AlertState, AlertSubject, ClosedBecause } from '../../model/alert.ts';
import type { Evaluated } from '../evaluation/evaluated.ts';
import { MISSING } from '../expression/template.ts';
import type { Rule } from '../rules/rule.ts';
import { type AlertCore, close, dueInMs, type Found, isCounting, type RuleTimes, resume, step } from './machine.ts';
import { type AlertRecord, alertId, begunAnew, moved, type Now, newRecord, type Readings } from './record.ts';
import { MAX_ACTIVE_ALERTS, MAX_REFRESHED, MAX_RESOLVED_ALERTS } from './state-limits.ts';

/** One change of a state. */
export interface AlertChange {
  readonly record: AlertRecord;
  readonly from: AlertState | 'inactive';
  readonly to: AlertState | 'inactive';
}

/** Since the last call of `takeChanges`. */
export interface StateChanges {
  /** In the order in which they happened. */
  readonly transitions: readonly AlertChange[];
  /** Records to store: what must outlive a restart has changed. */
  readonly stored: ReadonlySet<string>;
  /** Records of which people see something new, all of `stored` among them. */
  readonly shown: ReadonlySet<string>;
  /** Forgotten. */
  readonly removed: ReadonlySet<string>;
}

export interface AlertStatesOptions {
  /** RETENTION: for rules without `no_data_after`. */
  readonly noDataAfterMs: number;
  readonly maxActive?: number;
  readonly maxResolved?: number;
  readonly maxRefreshed?: number;
}

export class AlertStates {
  readonly #options: Required<AlertStatesOptions>;
  /** In the order in which they were last resolved or became active. */
  readonly #records = new Map<string, AlertRecord>();
  readonly #byRule = new Map<string, Set<string>>();
  readonly #counts: Record<AlertState, number> = { pending: 0, firing: 0, resolved: 0 };
  readonly #leftOut = new Map<string, number>();
  #rules: ReadonlyMap<string, Rule> = new Map();
  #transitions: AlertChange[] = [];
  #stored = new Set<string>();
  #shown = new Set<string>();
  #removed = new Set<string>();
  /** Evaluations so far: which alerts have their turn to be read anew. */
  #turn = 0;

  constructor({
    noDataAfterMs,
    maxActive = MAX_ACTIVE_ALERTS,
    maxResolved = MAX_RESOLVED_ALERTS,
    maxRefreshed = MAX_REFRESHED,
  }: AlertStatesOptions) {
    this.#options = { noDataAfterMs, maxActive, maxResolved, maxRefreshed };
  }

  get counts(): Readonly<Record<AlertState, number>> {
    return this.#counts;
  }

  /** For the display: alerts by state and severity. */
  countsBySeverity(): readonly { readonly state: AlertState; readonly severity: string; readonly count: number }[] {
    const counts = new Map<string, { readonly state: AlertState; readonly severity: string; count: number }>();
    for (const { core, severity } of this.#records.values()) {
      const key = JSON.stringify([core.state, severity]);
      const known = counts.get(key);
      if (known === undefined) counts.set(key, { state: core.state, severity, count: 1 });
      else known.count++;
    }
    return [...counts.values()];
  }

  get(id: string): AlertRecord | undefined {
    return this.#records.get(id);
  }

  all(): Iterable<AlertRecord> {
    return this.#records.values();
  }

  /** Alerts of a rule by state, and how many were left out at its last evaluation. */
  ofRule(rule: string): { readonly pending: number; readonly firing: number; readonly leftOut: number } {
    let pending = 0;
    let firing = 0;
    for (const id of this.#byRule.get(rule) ?? []) {
      const state = this.#records.get(id)?.core.state;
      pending += Number(state === 'pending');
      firing += Number(state === 'firing');
    }
    return { pending, firing, leftOut: this.#leftOut.get(rule) ?? 0 };
  }

  /** Subjects whose alert of the rule fires. */
  firingOf({ name }: Rule): readonly AlertSubject[] {
    const subjects: AlertSubject[] = [];
    for (const id of this.#byRule.get(name) ?? []) {
      const record = this.#records.get(id);
      if (record?.core.state === 'firing') subjects.push(record.subject);
    }
    return subjects;
  }

  /**
   * What an earlier thread or master has stored; before anything else. All of it is stored anew: its times were those of another run.
   * @param seenMs the time of the last evaluation before, see `resume`
   */
  load(records: Iterable<AlertRecord>, seenMs: number): void {
    for (const record of records) {
      // What this thread knows already is newer: the file could be read only now.
      if (!this.#records.has(record.id)) this.#store({ ...record, core: resume(record.core, seenMs) });
    }
  }

  /** Whether any alert changes by time alone. */
  get isCounting(): boolean {
    for (const { core } of this.#records.values()) if (isCounting(core)) return true;
    return false;
  }

  /** Closes alerts of rules that are no longer there, or are others now. */
  setRules(rules: readonly Rule[], now: Now): void {
    this.#rules = new Map(rules.map((rule) => [rule.name, rule]));
    for (const rule of this.#leftOut.keys()) if (!this.#rules.has(rule)) this.#leftOut.delete(rule);
    for (const record of [...this.#records.values()]) {
      const rule = this.#rules.get(record.rule);
      if (rule?.digest === record.digest) {
        // What is not part of the condition may change while the alert is active.
        const runbookUrl = rule.runbookUrl ?? null;
        if (runbookUrl !== record.runbookUrl) this.#store({ ...record, runbookUrl });
      } else if (record.core.state !== 'resolved' || record.core.isFlapping) this.#close(record, 'rule_changed', now);
    }
  }

  /** Forgets resolved alerts of rules that are gone, once they were shown for a while: no evaluation of their rule does. */
  forgetOld({ attentiveMs }: Now): void {
    for (const [rule, ids] of [...this.#byRule]) {
      if (this.#rules.has(rule)) continue;
      for (const id of [...ids]) {
        const record = this.#records.get(id) as AlertRecord;
        const { core } = step(record.core, { when: 'fails', clear: undefined }, NO_TIMES, attentiveMs);
        if (core === undefined) this.#forget(record, record.core.state);
        else this.#put({ ...record, core });
      }
    }
  }

  /** @returns how many subjects it holds for */
  apply(evaluated: Evaluated, now: Now): number {
    const { rule } = evaluated;
    const times = this.#timesOf(rule);
    let leftOut = 0;
    const seen = new Set<string>();
    const before = this.#transitions.length;
    for (const subject of evaluated.holding) {
      const id = alertId(rule.name, subject);
      seen.add(id);
      const record = this.#records.get(id);
      if ((record === undefined || record.core.state === 'resolved') && this.#isFull) leftOut++;
      else this.#step(record, rule, subject, { when: 'holds', clear: undefined }, evaluated, times, now);
    }
    for (const id of [...(this.#byRule.get(rule.name) ?? [])]) {
      const record = this.#records.get(id);
      if (record === undefined || seen.has(id)) continue;
      this.#step(record, rule, record.subject, foundOf(record, rule, evaluated), evaluated, times, now);
    }
    this.#leftOut.set(rule.name, leftOut);
    this.#refresh(evaluated, new Set(this.#transitions.slice(before).map(({ record }) => record.id)));
    return seen.size;
  }

  /** How long until time alone may change an alert of the rule; undefined: never. */
  dueInMs(rule: Rule, nowMs: number): number | undefined {
    let due: number | undefined;
    const times = this.#timesOf(rule);
    for (const id of this.#byRule.get(rule.name) ?? []) {
      const core = this.#records.get(id)?.core;
      const inMs = core && dueInMs(core, times, nowMs);
      if (inMs !== undefined && (due === undefined || inMs < due)) due = inMs;
    }
    return due;
  }

  takeChanges(): StateChanges {
    this.#dropOldest();
    const changes: StateChanges = {
      transitions: this.#transitions,
      stored: this.#stored,
      shown: this.#shown,
      removed: this.#removed,
    };
    this.#transitions = [];
    this.#stored = new Set();
    this.#shown = new Set();
    this.#removed = new Set();
    return changes;
  }

  get #isFull(): boolean {
    return this.#counts.pending + this.#counts.firing >= this.#options.maxActive;
  }

  #timesOf({ forMs, keepFiringForMs, noDataAfterMs }: Rule): RuleTimes {
    return { forMs, keepFiringForMs, noDataAfterMs: noDataAfterMs ?? this.#options.noDataAfterMs };
  }

  #step(
    record: AlertRecord | undefined,
    rule: Rule,
    subject: AlertSubject,
    found: Found,
    evaluated: Evaluated,
    times: RuleTimes,
    now: Now,
  ): void {
    const { core, closedBecause } = step(record?.core, found, times, now.attentiveMs);
    const from = record?.core.state ?? 'inactive';
    const to = core?.state ?? 'inactive';
    if (core === undefined) {
      if (record !== undefined) this.#forget(record, record.core.state);
      return;
    }
    if (from !== to) {
      const base =
        record === undefined || from === 'resolved' ? this.#begun(record, rule, subject, core, evaluated, now) : record;
      const readings: Readings = {
        values: () => evaluated.valuesOf(subject),
        annotations: () => evaluated.annotationsOf(subject),
      };
      this.#move(moved(base, from, core, closedBecause, readings, now), from);
      return;
    }
    const known = record as AlertRecord;
    const isMissing = core.missing !== null && core.state === 'firing';
    const noDataSinceUnixMs = isMissing ? (known.noDataSinceUnixMs ?? now.unixMs) : null;
    const next = { ...known, core, noDataSinceUnixMs };
    this.#put(next);
    if (noDataSinceUnixMs !== known.noDataSinceUnixMs || core.isFlapping !== known.core.isFlapping) this.#store(next);
    else if (isCounting(core) !== isCounting(known.core) || (core.missing === null) !== (known.core.missing === null)) {
      this.#stored.add(next.id);
    }
  }

  #begun(
    resolved: AlertRecord | undefined,
    rule: Rule,
    subject: AlertSubject,
    core: AlertCore,
    evaluated: Evaluated,
    now: Now,
  ): AlertRecord {
    const record = newRecord(rule, subject, core, evaluated.labelsOf?.(subject) ?? {}, now);
    return resolved === undefined ? record : begunAnew(resolved, record);
  }

  #close(record: AlertRecord, because: ClosedBecause, now: Now): void {
    const { core, closedBecause } = close(record.core, because, now.attentiveMs);
    const from = record.core.state;
    if (core === undefined) this.#forget(record, from);
    else if (core.state === from) this.#store({ ...record, core });
    else this.#move(moved(record, from, core, closedBecause, undefined, now), from);
  }

  #move(record: AlertRecord, from: AlertState | 'inactive'): void {
    // To the end: the order says which resolved ones are the oldest.
    this.#drop(record.id);
    this.#store(record);
    this.#transitions.push({ record, from, to: record.core.state });
  }

  #store(record: AlertRecord): void {
    this.#put(record);
    this.#stored.add(record.id);
    this.#shown.add(record.id);
  }

  #put(record: AlertRecord): void {
    const earlier = this.#records.get(record.id);
    if (earlier !== undefined) this.#counts[earlier.core.state]--;
    this.#counts[record.core.state]++;
    this.#records.set(record.id, record);
    this.#removed.delete(record.id);
    let ids = this.#byRule.get(record.rule);
    if (ids === undefined) {
      ids = new Set();
      this.#byRule.set(record.rule, ids);
    }
    ids.add(record.id);
  }

  #drop(id: string): void {
    const record = this.#records.get(id);
    if (record === undefined) return;
    this.#counts[record.core.state]--;
    this.#records.delete(id);
    const ids = this.#byRule.get(record.rule);
    ids?.delete(id);
    if (ids?.size === 0) this.#byRule.delete(record.rule);
  }

  #forget(record: AlertRecord, from: AlertState): void {
    this.#drop(record.id);
    this.#stored.delete(record.id);
    this.#shown.delete(record.id);
    this.#removed.add(record.id);
    if (from === 'resolved') return;
    this.#transitions.push({ record, from, to: 'inactive' });
  }

  /**
   * Values and annotations of alerts whose state has not changed, those that are longest without first.
   * @param moved those whose state has changed
   */
  #refresh(evaluated: Evaluated, moved: ReadonlySet<string>): void {
    const ids = [...(this.#byRule.get(evaluated.rule.name) ?? [])];
    const { maxRefreshed } = this.#options;
    const from = ids.length <= maxRefreshed ? 0 : (this.#turn++ * maxRefreshed) % ids.length;
    for (let n = 0; n < Math.min(ids.length, maxRefreshed); n++) {
      const record = this.#records.get(ids[(from + n) % ids.length] as string) as AlertRecord;
      const { state, missing, watch } = record.core;
      if (moved.has(record.id)) continue;
      if (state === 'resolved' || missing !== null || (state === 'pending' && watch?.lastMs === null)) continue;
      const verdict = evaluated.verdictOf(record.subject);
      if (verdict !== 'holds' && verdict !== 'fails') continue;
      const values = evaluated.valuesOf(record.subject);
      const annotations =
        state === 'firing'
          ? withValues(evaluated.annotationsOf(record.subject), record.annotations)
          : record.annotations;
      const isSame =
        JSON.stringify(values.parts) === JSON.stringify(record.values.now?.parts) &&
        JSON.stringify(annotations) === JSON.stringify(record.annotations);
      if (isSame) continue;
      this.#put({ ...record, annotations, values: { ...record.values, now: values } });
      this.#shown.add(record.id);
    }
  }

  #dropOldest(): void {
    let excess = this.#counts.resolved - this.#options.maxResolved;
    if (excess <= 0) return;
    for (const record of [...this.#records.values()]) {
      if (excess <= 0) return;
      if (record.core.state !== 'resolved') continue;
      this.#drop(record.id);
      this.#stored.delete(record.id);
      this.#shown.delete(record.id);
      this.#removed.add(record.id);
      excess--;
    }
  }
}

/** A text that had all its values stays as it was when it lacks some: whoever is told later must read why. */
function withValues(
  annotations: Readonly<Record<string, string>>,
  before: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const entries = Object.entries(annotations).map(([name, text]) => {
    const known = before[name];
    return [name, known !== undefined && text.includes(MISSING) && !known.includes(MISSING) ? known : text] as const;
  });
  return Object.fromEntries(entries);
}

/** They matter only to alerts that are not resolved. */
const NO_TIMES: RuleTimes = { forMs: 0, keepFiringForMs: 0, noDataAfterMs: 0 };

/** A resolved alert needs no verdict: it begins anew if its subject is among those for which the rule holds. */
function foundOf({ core, subject }: AlertRecord, rule: Rule, evaluated: Evaluated): Found {
  if (core.state === 'resolved') return { when: 'fails', clear: undefined };
  const when = evaluated.verdictOf(subject);
  const needsClear = core.state === 'firing' && rule.clearWhen !== undefined;
  return { when, clear: needsClear ? evaluated.clearOf(subject) : undefined };
}
