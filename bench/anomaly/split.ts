/**
 * Which series a model may be tuned on. Decided before anything was tuned: of the families in alphabetical order every second one is held
 * back, and seeds from {@link HELD_BACK_FROM} on are held back for all of them.
 */
import { FAMILY_NAMES, type FamilyName } from './families.ts';

export const TUNING_FAMILIES: readonly FamilyName[] = FAMILY_NAMES.filter((_, index) => index % 2 === 0);
export const HELD_BACK_FAMILIES: readonly FamilyName[] = FAMILY_NAMES.filter((_, index) => index % 2 === 1);
export const HELD_BACK_FROM = 1000;
