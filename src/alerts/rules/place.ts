/** Where something stands in the rule file; lines and columns count from 1. Undefined for what is shipped. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Something that is wrong with a rule file. */
export interface RuleProblem extends Partial<Place> {
  /** Names what was found and what was expected, without the place. */
  readonly message: string;
}
