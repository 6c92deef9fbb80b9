/**
 * Main's side of alerts: keeps the alerts thread alive and informed about workers, passes on what it tells, and has a copy of it for
 * those who ask while the thread is dead. Main decodes no alert, and waits for the thread only at a stop, and for a moment.
 *
 * The rules that were last found right are kept here: the next thread goes on with them, whatever the file has become.
 */
import type { Clock, Timer } from '../lib/clock.ts';
import type { Logger } from '../lib/logging.ts';
import type { ThreadDeath } from '../lib/supervised-thread.ts';
import { holdThread, type ThreadScript } from '../lib/threads.ts';
import { MAX_ALERTS_PER_ANNOUNCEMENT } from '../model/alert-changes.ts';
import type { AlertCommand, AlertReply } from '../model/alert-command.ts';
import type { AlertsStatus, LoadedRules } from '../model/alerts-status.ts';
import type { NewEvent } from '../model/events.ts';
import type { Silence } from '../model/silence.ts';
import { AlertTable } from '../reading/alert-table.ts';
import type { Announcement } from '../reading/directory.ts';
import { ReaderHost } from '../reading/reader-host.ts';
import type { BoardMemory } from '../store/board.ts';
import type { AnomalyFigures } from '../store/master-figures.ts';
import { PeerScoresWriter } from '../store/peer-scores.ts';
import { COMMAND_WITHIN_MS, MAX_COMMANDS, MAX_SILENCE_S, STOP_WITHIN_MS, TRIAL_WITHIN_MS } from './alerts-limits.ts';
import type { ExpectedValues } from './anomaly/seasons.ts';
import type { AlertsSettings, FromAlerts, RuleSource, ToAlerts } from './messages.ts';

export interface AlertsHostOptions {
  readonly board: BoardMemory;
  /** The thread's entry, which is the composition root's. */
  readonly script: ThreadScript;
  /** What the entry needs besides. */
  readonly data: object;
  readonly settings: AlertsSettings;
  /** The rule file as it was read and found right; undefined: there is none. */
  readonly source: RuleSource | undefined;
  /** One `slotAdded` per worker, the holds and all recent events, including what `announce` is about to publish. */
  readonly roster: () => readonly Announcement[];
  readonly onEvent: (event: NewEvent) => void;
  readonly onExpected: (workers: readonly ExpectedValues[]) => void;
  /** How many workers are unusual; none is scored while the thread is away. */
  readonly onAnomalies: (figures: AnomalyFigures) => void;
  /** Told once when alerts are degraded … */
  readonly onFault: (detail: string) => void;
  /** … and once when they no longer are. */
  readonly onFaultOver: (detail: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Waiting {
  readonly resolve: (reply: AlertReply) => void;
  readonly timer: Timer;
}

type Problem = AlertsStatus['problems'][number];

export class AlertsHost {
  readonly #options: AlertsHostOptions;
  readonly #reader: ReaderHost<ToAlerts, FromAlerts>;
  readonly table = new AlertTable();
  #settings: AlertsSettings;
  #source: RuleSource | undefined;
  #loaded: LoadedRules | undefined;
  #status: AlertsStatus | undefined;
  #silences: readonly Silence[] = [];
  /** What the thread cannot say itself; undefined: it reports. */
  #threadProblem: Problem | undefined;
  /** Of each problem that was told: what ends with it, and since when it was. */
  readonly #told = new Map<string, { readonly over: string; readonly sinceUnixMs: number }>();
  readonly #waiting = new Map<number, Waiting>();
  #lastCommand = 0;
  #isStopping = false;
  readonly #listeners = new Set<(announcement: Announcement) => void>();

  /** @throws PulselaneError `environment` if the package is incomplete */
  constructor(options: AlertsHostOptions) {
    this.#options = options;
    const { board, script, data, settings, source, roster, clock } = options;
    holdThread(script);
    this.#settings = settings;
    this.#source = source;
    this.#reader = new ReaderHost({
      script,
      name: 'pulselane-alrt',
      title: 'the alerts thread',
      data: { ...data, board },
      clock,
      roster: () => [roster()],
      onFed: () => this.#reader.post({ type: 'begin', source: this.#source, settings: this.#settings }),
      onMessage: (message) => this.#received(message),
      onDeath: (death) => this.#died(death),
      maxSilenceS: MAX_SILENCE_S,
      stopWithinMs: STOP_WITHIN_MS,
    });
  }

  /** For the display of threads, and for fault tests. */
  get thread(): ReaderHost<ToAlerts, FromAlerts>['thread'] {
    return this.#reader.thread;
  }

  get silences(): readonly Silence[] {
    return this.#silences;
  }

  /** Undefined until the rules are loaded. */
  get loadedRules(): LoadedRules | undefined {
    return this.#loaded;
  }

  /** Undefined until the first evaluation. */
  get status(): AlertsStatus | undefined {
    const problem = this.#threadProblem;
    if (this.#status === undefined || problem === undefined) return this.#status;
    return { ...this.#status, problems: [...this.#status.problems, problem] };
  }

  /** For a new reader. */
  announcements(): Announcement[] {
    const texts = [...this.table.texts()];
    const parts: Announcement[] = [];
    for (let from = 0; from === 0 || from < texts.length; from += MAX_ALERTS_PER_ANNOUNCEMENT) {
      const changed = texts.slice(from, from + MAX_ALERTS_PER_ANNOUNCEMENT);
      parts.push({ type: 'alerts', changes: { isFirst: from === 0, changed, removed: [] } });
    }
    const { status } = this;
    return [
      ...parts,
      ...(this.#loaded === undefined ? [] : [{ type: 'alertRules', loaded: this.#loaded } as const]),
      ...(status === undefined ? [] : [{ type: 'alertsStatus', status } as const]),
      { type: 'silences', silences: this.#silences },
    ];
  }

  /** Calls the listener with each announcement for readers that show alerts. */
  follow(listener: (announcement: Announcement) => void): void {
    this.#listeners.add(listener);
  }

  /** @param links if the settings have no PUBLIC_URL: HTTP's address, which is known only now, and what is wrong with it */
  start(links: Pick<AlertsSettings, 'publicUrl' | 'linkWarning'> = this.#settings): void {
    const { publicUrl, linkWarning } = links;
    this.#settings = { ...this.#settings, publicUrl, linkWarning };
    this.#reader.start();
  }

  /** Publishes changes to the thread, in order. */
  announce(items: readonly Announcement[]): void {
    this.#reader.announce(items);
  }

  /** Never rejects: failures, also a time-out, are in the reply. */
  command(asked: AlertCommand, withinMs = commandWithinMs(asked)): Promise<AlertReply> {
    if (!this.#reader.isFed) return Promise.resolve(unavailable('the alerts thread is starting; try again'));
    if (this.#waiting.size >= MAX_COMMANDS) {
      const message = 'too many commands are waiting for the alerts thread; try again';
      return Promise.resolve({ ok: false, code: 'resource_exhausted', message });
    }
    const id = ++this.#lastCommand;
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(withinMs, () => {
        this.#replied(id, unavailable('the alerts thread does not answer; it may still carry out the command'));
      });
      this.#waiting.set(id, { resolve, timer });
      this.#reader.post({ type: 'command', id, command: asked });
    });
  }

  /** Sends nothing any more: the workers and the files are another master's. */
  abandon(): void {
    this.#isStopping = true;
    this.#reader.abandon();
    this.#replyToAll();
  }

  /** Lets the thread end the evaluation under way, for a moment, and ends it. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#reader.stop();
    this.#replyToAll();
  }

  #received(message: FromAlerts): void {
    switch (message.type) {
      case 'alerts':
        this.table.apply(message.changes);
        this.#tell({ type: 'alerts', changes: message.changes });
        return;
      case 'rules':
        this.#source = message.source;
        this.#loaded = message.loaded;
        this.#tell({ type: 'alertRules', loaded: message.loaded });
        return;
      case 'status':
        this.#status = message.status;
        this.#threadProblem = undefined;
        this.#tellStatus();
        return;
      case 'silences':
        this.#silences = message.silences;
        this.#tell({ type: 'silences', silences: message.silences });
        return;
      case 'events':
        for (const event of message.events) this.#options.onEvent(event);
        return;
      case 'expected':
        this.#options.onExpected(message.workers);
        return;
      case 'anomalies':
        this.#options.onAnomalies(message.figures);
        return;
      case 'reply':
        this.#replied(message.id, message.reply);
        return;
      case 'log':
        this.#options.logger[message.level](message.fields ?? {}, message.message);
        return;
      default:
        message satisfies never;
    }
  }

  #replied(id: number, reply: AlertReply): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    waiting.timer.cancel();
    waiting.resolve(reply);
  }

  #replyToAll(): void {
    for (const id of [...this.#waiting.keys()]) {
      this.#replied(id, unavailable('the alerts thread ended; it may have carried out the command'));
    }
  }

  #died(death: ThreadDeath): number {
    this.#replyToAll();
    this.#forgetScores();
    if (!this.#isStopping) {
      const reason = death.how === 'killed' ? death.reason : `the alerts thread ended: ${death.reason}`;
      const detail = `${reason}; it restarts in ${death.backOffMs} ms`;
      this.#threadProblem ??= { code: 'thread', detail, sinceUnixMs: this.#options.clock.wallMs() };
      this.#tellStatus();
    }
    return death.backOffMs;
  }

  /** What the thread found of the present is not true for long. It is dead: the next one writes these after this. */
  #forgetScores(): void {
    const { board, onAnomalies } = this.#options;
    onAnomalies({ scored: 0, anomalous: 0 });
    new PeerScoresWriter(board.peerScores).reset();
  }

  #tell(announcement: Announcement): void {
    for (const listener of this.#listeners) listener(announcement);
  }

  #tellStatus(): void {
    const { onFault, onFaultOver, clock } = this.#options;
    const { status } = this;
    if (status !== undefined) this.#tell({ type: 'alertsStatus', status });
    const problem = this.#threadProblem;
    const problems = status?.problems ?? (problem === undefined ? [] : [problem]);
    for (const told of problems) {
      const key = keyOf(told);
      // A wrong file is the matter of whoever reloads it, and is in the log.
      if (told.code === 'rules_file' || this.#told.has(key)) continue;
      const over =
        told.rule === undefined
          ? OVER[told.code]
          : `rule ${told.rule} is evaluated without errors again, or is another one now`;
      this.#told.set(key, { over, sinceUnixMs: told.sinceUnixMs });
      onFault(`alerts degraded: ${told.detail}`);
    }
    for (const [key, { over, sinceUnixMs }] of this.#told) {
      if (problems.some((now) => keyOf(now) === key)) continue;
      this.#told.delete(key);
      const seconds = Math.max(0, Math.round((clock.wallMs() - sinceUnixMs) / 1000));
      onFaultOver(`${over}, after ${seconds} s`);
    }
  }
}

/** One for each rule. */
function keyOf({ code, rule }: Problem): string {
  return rule === undefined ? code : `${code} ${rule}`;
}

const OVER: Readonly<Record<Problem['code'], string>> = {
  rules_file: 'the rule file is right again',
  store: 'the file of alerts is written again',
  slow: 'evaluations of alerting rules are in time again',
  rule: 'no further rules fail or lack values',
  receivers: 'all receivers of alerts get notifications again',
  thread: 'the alerts thread works again',
};

function commandWithinMs({ type }: AlertCommand): number {
  return type === 'test-receiver' ? TRIAL_WITHIN_MS : COMMAND_WITHIN_MS;
}

function unavailable(message: string): AlertReply {
  return { ok: false, code: 'unavailable', message };
}
