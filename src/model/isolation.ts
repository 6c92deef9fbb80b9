/** The kind of lane of a worker: set by an operator, or requested by the worker. */

/**
 * | decision    | meaning                                                                                        |
 * |-------------|------------------------------------------------------------------------------------------------|
 * | `dedicated` | a dedicated lane before all others except failed workers; never beyond the maximum             |
 * | `shared`    | never a dedicated lane                                                                         |
 * | `auto`      | decided by the master, by the worker's need and its request                                    |
 */
export const ISOLATIONS = ['auto', 'dedicated', 'shared'] as const;
export type Isolation = (typeof ISOLATIONS)[number];

/** Whether a user's input is a valid value. */
export function isIsolation(text: string | undefined): text is Isolation {
  return ISOLATIONS.some((isolation) => isolation === text);
}

/** Label with which a worker requests a dedicated lane: `dedicated`. */
export const ISOLATION_LABEL = 'pulselane.isolation';
const WISH = 'dedicated';

/** Labels that an agent adds to request a dedicated lane. */
export const WISH_LABELS: Readonly<Record<string, string>> = { [ISOLATION_LABEL]: WISH };

type Labels = Readonly<Record<string, string>>;

export function wishesOwnLane(labels: Labels): boolean {
  return valueIn(labels) === WISH;
}

/** The label's value if it is invalid; undefined otherwise. */
export function unknownWish(labels: Labels): string | undefined {
  const value = valueIn(labels);
  return value === WISH ? undefined : value;
}

/** Ignores inherited members. */
function valueIn(labels: Labels): string | undefined {
  return Object.hasOwn(labels, ISOLATION_LABEL) ? labels[ISOLATION_LABEL] : undefined;
}
