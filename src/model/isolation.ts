/** Which kind of lane a worker is to have: what an operator decides, and what the worker itself wishes. */

/**
 * | decision    | means                                                                                          |
 * |-------------|------------------------------------------------------------------------------------------------|
 * | `dedicated` | a lane of its own before all others, those that failed excepted; never beyond the bound        |
 * | `shared`    | never a lane of its own                                                                        |
 * | `auto`      | nothing is decided: by what it needs, and by its wish                                          |
 */
export const ISOLATIONS = ['auto', 'dedicated', 'shared'] as const;
export type Isolation = (typeof ISOLATIONS)[number];

/** Whether it is one, as it comes from people. */
export function isIsolation(text: string | undefined): text is Isolation {
  return ISOLATIONS.some((isolation) => isolation === text);
}

/** By this label a worker wishes for a lane of its own: `dedicated`. */
export const ISOLATION_LABEL = 'pulselane.isolation';
const WISH = 'dedicated';

/** What an agent that wants a lane of its own adds to its labels. */
export const WISH_LABELS: Readonly<Record<string, string>> = { [ISOLATION_LABEL]: WISH };

type Labels = Readonly<Record<string, string>>;

export function wishesOwnLane(labels: Labels): boolean {
  return valueIn(labels) === WISH;
}

/** A value of the label that means nothing; undefined if there is none. */
export function unknownWish(labels: Labels): string | undefined {
  const value = valueIn(labels);
  return value === WISH ? undefined : value;
}

/** No inherited member is a label. */
function valueIn(labels: Labels): string | undefined {
  return Object.hasOwn(labels, ISOLATION_LABEL) ? labels[ISOLATION_LABEL] : undefined;
}
