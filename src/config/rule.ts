import type { SettingNames } from './setting-names.ts';

/** A rule that involves several settings. */
export interface Rule<C> {
  /** The rule is not checked if one of these is invalid. */
  readonly about: readonly (keyof C)[];
  /** What is wrong and what was expected, by the names that the user wrote; undefined if the rule holds. */
  readonly problem: (config: C, names: SettingNames) => string | undefined;
}
