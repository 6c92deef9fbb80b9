/** Refuses options that a program gives by a name that does not exist: a typo would otherwise change nothing, silently. */
import { PulselaneError } from '../lib/errors.ts';
import { isNearMiss } from './near-misses.ts';

/**
 * @param known every option, as a table that the compiler checks to be whole
 * @throws PulselaneError `invalid_argument`, naming the first unknown option and the one that was probably meant
 */
export function checkOptionNames(given: object, known: Readonly<Record<string, true>>): void {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(known, name));
  if (unknown === undefined) return;
  const meant = Object.keys(known).find((name) => isNearMiss(unknown.toLowerCase(), name.toLowerCase()));
  const advice = meant === undefined ? `expected one of ${Object.keys(known).join(', ')}` : `did you mean ${meant}?`;
  throw new PulselaneError('invalid_argument', `unknown option ${JSON.stringify(unknown)}: ${advice}`);
}
