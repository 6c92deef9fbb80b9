/** What an evaluation of one rule found: made by evaluation/, taken by state/. */
import type { AlertSubject, AlertValues } from '../../model/alert.ts';
import type { Rule } from '../rules/rule.ts';

/**
 * | verdict | meaning for the subject                                                                       |
 * |---------|------------------------------------------------------------------------------------------------|
 * | holds   | the condition holds                                                                            |
 * | fails   | it does not hold                                                                               |
 * | no_data | a value that decides it is missing: the worker lacks it, or its values stopped                 |
 * | held    | nobody can know at present: restart grace, a brake on its group, a stall of the master          |
 * | removed | the subject is gone: forgotten or unregistered                                                 |
 * | error   | the expression failed, or took too long: an error of the rule, shown with it                   |
 */
export type Verdict = 'holds' | 'fails' | 'no_data' | 'held' | 'removed' | 'error';

/** A subject's key is unique among all subjects of the rule, and the same at each evaluation. */
export interface Evaluated {
  readonly rule: Rule;
  readonly atUnixMs: number;
  /** Subjects for which `when` holds; `verdictOf` is asked only of others, and only of those with an alert. */
  readonly holding: Iterable<AlertSubject>;
  /** Of `when`. */
  verdictOf(subject: AlertSubject): Verdict;
  /** Of `clear_when`; only asked if the rule has one, of subjects whose alert fires and for which `when` fails. */
  clearOf(subject: AlertSubject): Verdict;
  /** What the parts of `when` are now. */
  valuesOf(subject: AlertSubject): AlertValues;
  /** Labels of the subject that an alert gets when it begins, besides its own: a worker's `group` and labels. Default: none. */
  labelsOf?(subject: AlertSubject): Readonly<Record<string, string>>;
  /** The rendered annotations. */
  annotationsOf(subject: AlertSubject): Readonly<Record<string, string>>;
}
