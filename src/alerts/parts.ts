/** What the alerts thread joins: each part is made by its folder, and used by the cycle alone. */
import type { AlertSubject } from '../model/alert.ts';
import type { AlertCommand, AlertReply } from '../model/alert-command.ts';
import type { AlertReceiverStatus, RuleFigures } from '../model/alerts-status.ts';
import type { DeadLetter } from '../model/dead-letter.ts';
import type { Silence } from '../model/silence.ts';
import type { Announcement } from '../reading/directory.ts';
import type { Evaluated } from './evaluation/evaluated.ts';
import type { Suppression } from './notify/suppression.ts';
import type { RuleProblem } from './rules/place.ts';
import type { Rule, RuleSet } from './rules/rule.ts';
import type { AlertStates, StateChanges } from './state/alert-states.ts';
import type { Now } from './state/record.ts';
import type { Connection } from './store/connection.ts';

/** evaluation/ */
export interface Evaluation {
  /** From now on these rules. What is known of a rule with the same digest may be kept. */
  load(rules: readonly Rule[]): void;
  /** Whether the rule is left out of evaluations at present, because it took too long. Default: none is. */
  isLeftOut?(rule: Rule): boolean;
  /**
   * Evaluates these rules, all or some of those loaded, on the facts of now. Rejects only for a bug. Called with a rule that is left out only
   * by evaluations of all rules: those count.
   * @param firingOf subjects whose alert of the rule fires
   */
  evaluate(rules: readonly Rule[], firingOf: (rule: Rule) => Iterable<AlertSubject>): Promise<readonly Evaluated[]>;
  /** Changes that the directory has already applied. */
  announced?(items: readonly Announcement[]): void;
  /** Takes what was stored before: once. */
  read?(connection: Connection): void;
  /** Stores what is not stored, in the transaction that stores the states. `isAll`: the file is new, so that nothing is. */
  write?(connection: Connection, isAll: boolean): void;
  /** After that transaction was committed. */
  written?(): void;
  figuresOf(rule: Rule): Pick<RuleFigures, 'lastEvaluatedUnixMs' | 'evaluationMs' | 'errors' | 'lastError' | 'problem'>;
  stop(): Promise<void>;
}

/** notify/ and delivery/: see notices.ts */
export interface Notices {
  load(rules: RuleSet): void;
  /** Plans what is to be sent. Called after each evaluation, after a command that changed something, and when `dueInMs` is over. */
  plan(changes: StateChanges, states: AlertStates, now: Now): void;
  /** How long until time alone leads to a notification, or to another suppression; undefined: never. */
  dueInMs(now: Now): number | undefined;
  /** Why receivers are not told of the alert; the same until `takeShown` names it. */
  suppressionOf(id: string): Suppression;
  /** Alerts whose suppression has changed since the last call. */
  takeShown(): Iterable<string>;
  /** Takes what was stored before: once, and first, unless the file cannot be read until later. */
  read(connection: Connection): void;
  /** Stores what is not stored, in the transaction that stores the states. `isAll`: the file is new, so that nothing is. */
  write(connection: Connection, isAll: boolean): void;
  /** After the transaction: what it stored may be sent. `isStored` false: it failed, and what there is goes out from memory. */
  written(isStored: boolean): void;
  readonly silences: readonly Silence[];
  /** Set while a receiver gets nothing, for long enough that somebody has to look. */
  readonly problem: { readonly detail: string; readonly sinceUnixMs: number } | undefined;
  readonly receivers: readonly AlertReceiverStatus[];
  /** Notifications that were given up, oldest first. */
  readonly deadLetters: readonly DeadLetter[];
  readonly maxQueued: number;
  /** Sets or ends a silence, between two evaluations: `plan` and `write` follow. Undefined: it is no such command. */
  change(command: AlertCommand, now: Now): AlertReply | undefined;
  /** Sends a trial to each target of the receiver, past the queue. @param isFiringOnly without its end */
  trial(receiver: string, isFiringOnly: boolean): Promise<AlertReply>;
  stop(): Promise<void>;
}

/** rules/: reads a rule file, or, without text, the shipped rules. */
export type ParseRules = (
  text: string | undefined,
  context: {
    /** Of the rule file. */
    readonly path: string | undefined;
    readonly allowsCommands: boolean;
    /** Of secret files, by absolute path. @throws Error of the system */
    readonly readFile: (path: string) => string;
  },
) =>
  | { readonly rules: RuleSet; readonly warnings: readonly RuleProblem[]; readonly problems?: undefined }
  | { readonly rules?: undefined; readonly problems: readonly RuleProblem[] };
