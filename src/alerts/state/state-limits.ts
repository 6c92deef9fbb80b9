/** Every limit on alerts that are kept, with the reason for its value. */

/** Pending and firing alerts at a time: twice a fleet of 10,000, each with one. About 40 MB. Others are counted with their rule. */
export const MAX_ACTIVE_ALERTS = 20_000;
/** Resolved alerts that are still shown: what a person can look through; history has all. About 4 MB. */
export const MAX_RESOLVED_ALERTS = 2000;
/** How long a resolved alert is shown: what happened at night is there in the morning. */
export const RESOLVED_KEPT_MS = 24 * 3600 * 1000;
/** Transitions that an alert keeps: several lives of it. */
export const MAX_TRANSITIONS = 20;
/** An alert flaps when it fires for this time … */
export const FLAP_FIRINGS = 4;
/** … within this: once in a quarter of an hour is what a person still looks into each time. */
export const FLAP_WINDOW_MS = 3600 * 1000;
/** It no longer flaps when it has neither fired nor resolved for this long. */
export const FLAP_QUIET_MS = 1800 * 1000;
/**
 * Alerts whose values and annotations are read anew at an evaluation although nothing else changed: a few ms. Of more, others get
 * their turn at the next one.
 */
export const MAX_REFRESHED = 1000;
