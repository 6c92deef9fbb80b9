/** The alerts thread's end of its port: a cycle of evaluations, its reports, and commands. */
import { join } from 'node:path';
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import { type AlertText, MAX_ALERTS_PER_ANNOUNCEMENT } from '../model/alert-changes.ts';
import type { AlertCommand, AlertReply } from '../model/alert-command.ts';
import {
  type AlertsStatus,
  type LoadedRules,
  MAX_RULE_PROBLEMS,
  MAX_SHOWN_DEAD_LETTERS,
  type SeasonFigures,
} from '../model/alerts-status.ts';
import type { NewEvent } from '../model/events.ts';
import type { Directory } from '../reading/directory.ts';
import type { ReadingParts, ReadingUser } from '../reading/reader-thread.ts';
import { attentiveMs } from '../store/master-figures.ts';
import { REPORT_EVERY_MS, SLOW_AFTER } from './alerts-limits.ts';
import type { AnomalyWatchOptions } from './anomaly/watch.ts';
import { Cycle } from './cycle.ts';
import { eventsOf } from './events.ts';
import { loadedRules, shownRules } from './loaded-rules.ts';
import type { AlertsSettings, FromAlerts, RuleSource, ToAlerts } from './messages.ts';
import type { Evaluation, Notices, ParseRules } from './parts.ts';
import { allProblems, problemText, type ReadRules, readRules, rulesOf } from './rule-source.ts';
import type { Rule, RuleSet } from './rules/rule.ts';
import { alertOf } from './shown-alert.ts';
import { AlertStates, type StateChanges } from './state/alert-states.ts';
import { AlertStore } from './store/alert-store.ts';

/** In the data directory. */
export const ALERTS_FILE = 'alerts.db';

/** What the composition root hands in. */
export interface AlertsParts {
  readonly parse: ParseRules;
  readonly makeEvaluation: (directory: Directory, settings: AlertsSettings, log: Log) => Evaluation;
  /** @param writeNow a transaction of its own, between those of the states. Returns whether it was committed */
  readonly makeNotices: (settings: AlertsSettings, log: Log, writeNow: AlertStore['write']) => Notices;
  /** Starts what this thread does for anomalies; absent: ANOMALIES is off. */
  readonly watchAnomalies?: (
    directory: Directory,
    settings: AlertsSettings,
    told: Pick<AnomalyWatchOptions, 'onExpected' | 'onFigures' | 'log' | 'onError'>,
  ) => Watching;
}

interface Watching {
  readonly seasons: SeasonFigures | undefined;
  stop(): Promise<void>;
}

/** @param fields for programs that read the log */
export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

export function runAlerts(
  { directory, post }: ReadingParts<FromAlerts>,
  parts: AlertsParts,
  clock: Clock,
): ReadingUser<ToAlerts> {
  let running: Running | undefined;
  return {
    announced(items) {
      running?.evaluation.announced?.(items);
    },
    received(message) {
      switch (message.type) {
        case 'begin':
          running = new Running({ directory, post }, parts, message.settings, clock);
          running.begin(message.source);
          return;
        case 'command': {
          const { id, command } = message;
          void (running as Running).command(command).then((reply) => post({ type: 'reply', id, reply }));
          return;
        }
        default:
          message satisfies never;
      }
    },
    async stop() {
      await running?.stop();
    },
  };
}

/** From `begin` on. */
class Running {
  readonly evaluation: Evaluation;
  readonly #directory: Directory;
  readonly #post: (message: FromAlerts) => void;
  readonly #parse: ParseRules;
  readonly #settings: AlertsSettings;
  readonly #clock: Clock;
  readonly #notices: Notices;
  readonly #states: AlertStates;
  readonly #store: AlertStore;
  readonly #cycle: Cycle;
  readonly #anomalies: Watching | undefined;
  #loaded: LoadedRules | undefined;
  /** In the order of the loaded rules. */
  #shownRules: readonly Rule[] = [];
  #lastLoad: AlertsStatus['lastLoad'] = null;
  #hasWarnedOfLinks = false;
  #attentiveMs = 0;
  #isFirst = true;
  /** Alerts to tell in later turns. */
  readonly #toTell = new Set<string>();
  readonly #toRemove = new Set<string>();
  readonly #events: NewEvent[] = [];
  #isTelling = false;
  #toldSilences: unknown;
  #report: Timer | undefined;
  #reportedMs = Number.NEGATIVE_INFINITY;
  /** Evaluations in a row that took longer than the interval, and since when. */
  #slow = { inARow: 0, skipped: 0, sinceUnixMs: 0 };

  constructor(
    { directory, post }: ReadingParts<FromAlerts>,
    { parse, makeEvaluation, makeNotices, watchAnomalies }: AlertsParts,
    settings: AlertsSettings,
    clock: Clock,
  ) {
    this.#directory = directory;
    this.#post = post;
    this.#parse = parse;
    this.#settings = settings;
    this.#clock = clock;
    const log: Log = (level, message, fields = {}) => post({ type: 'log', level, message, fields });
    this.evaluation = makeEvaluation(directory, settings, log);
    this.#states = new AlertStates({ noDataAfterMs: settings.noDataAfterMs });
    const onLoss = (message: string) => log('error', message);
    this.#store = new AlertStore({ path: join(settings.dataDir, ALERTS_FILE), clock, onLoss });
    this.#notices = makeNotices(settings, log, (work) => this.#store.write(work));
    const onError = (error: unknown) => {
      // The host sees the thread end, and starts another one, which goes on from the file.
      setImmediate(() => {
        throw error;
      });
    };
    this.#anomalies = watchAnomalies?.(directory, settings, {
      onExpected: (workers) => post({ type: 'expected', workers }),
      onFigures: (figures) => post({ type: 'anomalies', figures }),
      log: (message) => log('warn', message),
      onError,
    });
    this.#cycle = new Cycle({
      evaluation: this.evaluation,
      notices: this.#notices,
      states: this.#states,
      store: this.#store,
      clock,
      attentiveMs: () => this.#attentive(),
      onDone: (changes, shown) => this.#done(changes, shown),
      onLoss,
      onError,
    });
  }

  begin(source: RuleSource | undefined): void {
    const found = rulesOf(source, this.#settings.allowsCommands, this.#parse);
    if (found.rules === undefined) {
      throw new Error(`rules that were right before are not now: ${allProblems(source?.path ?? '', found.problems)}`);
    }
    void this.#load(found).catch(() => undefined);
  }

  async command(command: AlertCommand): Promise<AlertReply> {
    try {
      switch (command.type) {
        case 'reload-rules':
          return await this.#reload();
        case 'test-receiver':
          return await this.#notices.trial(command.receiver, command.isFiringOnly === true);
        case 'silence':
        case 'expire-silence': {
          const reply = await this.#cycle.change((now) => this.#notices.change(command, now));
          return reply ?? { ok: false, code: 'internal', message: 'internal error' };
        }
        default:
          throw command satisfies never;
      }
    } catch (error) {
      this.#post({ type: 'log', level: 'error', message: `a command failed: ${messageOf(error)}` });
      return { ok: false, code: 'internal', message: 'internal error' };
    }
  }

  async stop(): Promise<void> {
    this.#report?.cancel();
    // What is under way may end, and is taken off the disk, while that is still open.
    await this.#notices.stop();
    await this.#cycle.stop();
    await Promise.all([this.evaluation.stop(), this.#anomalies?.stop()]);
    this.#store.close();
  }

  async #reload(): Promise<AlertReply> {
    const { path, allowsCommands } = this.#settings;
    if (path === undefined) {
      return { ok: false, code: 'failed_precondition', message: 'ALERT_RULES is not set: there is no file to reload' };
    }
    const found = readRules(path, allowsCommands, this.#parse);
    if (found.rules === undefined) {
      const { problems } = found;
      this.#lastLoad = { atUnixMs: this.#clock.wallMs(), problems };
      this.#reportNow();
      const [first] = problems;
      const more = problems.length > 1 ? `, and ${problems.length - 1} more` : '';
      const message = `${first === undefined ? path : problemText(path, first)}${more}; the rules loaded before stay active`;
      return { ok: false, code: 'invalid_rules', message, problems };
    }
    await this.#load(found);
    const { rules } = found.rules;
    return { ok: true, message: `${rules.length} rules are active` };
  }

  async #load(read: ReadRules): Promise<void> {
    const atUnixMs = this.#clock.wallMs();
    this.#shownRules = shownRules(read.rules);
    for (const warning of read.warnings) {
      this.#post({ type: 'log', level: 'warn', message: problemText(read.source?.path ?? 'shipped rules', warning) });
    }
    this.#lastLoad = read.source === undefined ? null : { atUnixMs, problems: [] };
    this.#loaded = loadedRules(read.rules, (this.#loaded?.load ?? 0) + 1, atUnixMs, this.#settings.publicUrl);
    this.#post({ type: 'rules', loaded: this.#loaded, source: read.source });
    // Before the evaluation: the last load is not the failed one any more. The first status is that of the first evaluation.
    if (this.#loaded.load > 1) this.#reportNow();
    this.#warnOfLinks(read.rules);
    await this.#cycle.load(read.rules);
  }

  /** Once, when the first receiver comes that people have elsewhere. */
  #warnOfLinks({ receivers }: RuleSet): void {
    const { linkWarning } = this.#settings;
    if (linkWarning === undefined || this.#hasWarnedOfLinks) return;
    if (receivers.every(({ targets }) => targets.every(({ kind }) => kind === 'log'))) return;
    this.#hasWarnedOfLinks = true;
    this.#post({ type: 'log', level: 'warn', message: linkWarning });
  }

  /** Never less than before: when main goes on after a stall, it may turn out to be up to half a second earlier. */
  #attentive(): number {
    const ms = attentiveMs(this.#directory.board.figures(), this.#clock.monotonicMs());
    this.#attentiveMs = Math.max(this.#attentiveMs, ms);
    return this.#attentiveMs;
  }

  #done(changes: StateChanges, shown: ReadonlySet<string>): void {
    this.#events.push(...eventsOf(changes.transitions));
    for (const id of changes.removed) {
      this.#toTell.delete(id);
      this.#toRemove.add(id);
    }
    for (const id of shown) {
      this.#toRemove.delete(id);
      this.#toTell.add(id);
    }
    if (!this.#isTelling) this.#tellPart();
    const { silences } = this.#notices;
    if (silences !== this.#toldSilences) {
      this.#toldSilences = silences;
      this.#post({ type: 'silences', silences });
    }
    this.#lookAtPace();
    this.#reportSoon();
  }

  /** The rest follows in later turns: main copies a part in well under a millisecond. */
  #tellPart(): void {
    const events = this.#events.splice(0, MAX_ALERTS_PER_ANNOUNCEMENT);
    if (events.length > 0) this.#post({ type: 'events', events });
    const changed: AlertText[] = [];
    for (const id of this.#toTell) {
      if (changed.length === MAX_ALERTS_PER_ANNOUNCEMENT) break;
      this.#toTell.delete(id);
      const record = this.#states.get(id);
      if (record === undefined) continue;
      const alert = alertOf(record, this.#notices.suppressionOf(id), this.#settings.publicUrl);
      changed.push({ id, state: alert.state, json: JSON.stringify(alert) });
    }
    const removed = [...this.#toRemove].slice(0, 10 * MAX_ALERTS_PER_ANNOUNCEMENT);
    for (const id of removed) this.#toRemove.delete(id);
    if (this.#isFirst || changed.length > 0 || removed.length > 0) {
      this.#post({ type: 'alerts', changes: { isFirst: this.#isFirst, changed, removed } });
      this.#isFirst = false;
    }
    this.#isTelling = this.#toTell.size > 0 || this.#toRemove.size > 0 || this.#events.length > 0;
    if (this.#isTelling) setImmediate(() => this.#tellPart());
  }

  #lookAtPace(): void {
    const { skipped } = this.#cycle.figures;
    const isSlow = skipped > this.#slow.skipped;
    const inARow = isSlow ? this.#slow.inARow + 1 : 0;
    const sinceUnixMs = inARow === 1 ? this.#clock.wallMs() : this.#slow.sinceUnixMs;
    this.#slow = { inARow, skipped, sinceUnixMs };
  }

  #reportSoon(): void {
    if (this.#report !== undefined) return;
    const waitMs = Math.max(0, this.#reportedMs + REPORT_EVERY_MS - this.#clock.monotonicMs());
    this.#report = this.#clock.after(waitMs, () => this.#reportNow());
  }

  #reportNow(): void {
    this.#report?.cancel();
    this.#report = undefined;
    this.#reportedMs = this.#clock.monotonicMs();
    this.#post({ type: 'status', status: this.#status() });
  }

  #status(): AlertsStatus {
    const { evaluations, skipped, lastEvaluatedUnixMs, evaluationMs, totalMs } = this.#cycle.figures;
    return {
      atUnixMs: this.#clock.wallMs(),
      load: this.#loaded?.load ?? 0,
      problems: this.#problems(),
      lastLoad: this.#lastLoad,
      lastEvaluatedUnixMs,
      evaluationMs,
      evaluations,
      evaluationTotalMs: totalMs,
      skippedEvaluations: skipped,
      counts: this.#states.countsBySeverity(),
      rules: this.#shownRules.map((rule) => ({
        ...this.evaluation.figuresOf(rule),
        ...this.#states.ofRule(rule.name),
        holding: this.#cycle.holding(rule.name),
      })),
      receivers: this.#notices.receivers,
      deadLetters: this.#notices.deadLetters.slice(-MAX_SHOWN_DEAD_LETTERS).reverse(),
      maxQueued: this.#notices.maxQueued,
      seasons: this.#anomalies?.seasons ?? null,
    };
  }

  #problems(): AlertsStatus['problems'] {
    const problems: AlertsStatus['problems'][number][] = [];
    const lastLoad = this.#lastLoad;
    if (lastLoad !== null && lastLoad.problems.length > 0) {
      const detail = allProblems(this.#settings.path ?? '', lastLoad.problems);
      problems.push({ code: 'rules_file', detail, sinceUnixMs: lastLoad.atUnixMs });
    }
    const { problem } = this.#store;
    if (problem !== undefined) {
      problems.push({ code: 'store', ...problem, detail: `${problem.detail}; states of alerts go on in memory` });
    }
    if (this.#slow.inARow >= SLOW_AFTER) {
      const detail = `evaluations take longer than evaluation_interval: ${Math.round(this.#cycle.figures.evaluationMs ?? 0)} ms`;
      problems.push({ code: 'slow', detail, sinceUnixMs: this.#slow.sinceUnixMs });
    }
    problems.push(...this.#ruleProblems());
    const { problem: receivers } = this.#notices;
    if (receivers !== undefined) problems.push({ code: 'receivers', ...receivers });
    return problems;
  }

  #ruleProblems(): AlertsStatus['problems'] {
    const found = this.#shownRules.flatMap((rule) => {
      const { problem } = this.evaluation.figuresOf(rule);
      return problem === null ? [] : [{ code: 'rule' as const, ...problem, rule: rule.name }];
    });
    if (found.length <= MAX_RULE_PROBLEMS) return found;
    const more = found.slice(MAX_RULE_PROBLEMS);
    const detail = `${more.length} more ${more.length === 1 ? 'rule fails or has' : 'rules fail or have'} no values; \`pulselane rules list\` names them`;
    const sinceUnixMs = Math.min(...more.map((problem) => problem.sinceUnixMs));
    return [...found.slice(0, MAX_RULE_PROBLEMS), { code: 'rule', detail, sinceUnixMs }];
  }
}
