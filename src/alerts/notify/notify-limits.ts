/** Every limit on what is planned to be sent, with the reason for its value. */

export const SILENCE_LIMITS = {
  /** Pending and active ones: each firing alert is compared with each. 1,000 × 20,000 alerts are a second once, then only what is new. */
  silences: 1000,
  /** Those that are over are shown: what a person looks through … */
  expired: 1000,
  /** … and for as long as Alertmanager shows them by default. */
  expiredKeptMs: 120 * 3_600_000,
  /** An alert has some 10 labels; conditions on the same one are a regular expression. */
  matchers: 32,
  /** As label names of workers. */
  name: 128,
  /** As label values of workers. */
  value: 1024,
  /** Of `createdBy` and `comment`, in characters: a few sentences. All silences together stay below 80 MB. */
  text: 1024,
  /** A year: one that is to last longer is forgotten by those who made it. */
  lengthMs: 366 * 86_400_000,
} as const;

/** Ids that an alert shows in `inhibitedBy`: one would explain it, all of a storm would be a megabyte. */
export const MAX_SHOWN_INHIBITORS = 5;

/**
 * Groups at a time: with `group_by: ['...']` each alert is a group of its own, and a storm of 10,000 would be as many
 * notifications. Alerts of further groups of a route share one.
 */
export const MAX_GROUPS = 1000;

/** Full alerts in a notification; of others the number is told. 100 are more than a person reads, and take 200 KB. */
export const MAX_ALERTS_PER_NOTIFICATION = 100;

/** Alertmanager must get each alert, since it groups by itself: in several notifications of so many, 1 MB each. */
export const ALERTS_PER_PART = 500;

/**
 * After a notification was given up, its alerts are told anew, if they still fire, no sooner than this: a receiver that refuses them
 * would otherwise refuse each of them every few seconds.
 */
export const TELL_ANEW_AFTER_MS = 5 * 60_000;

/**
 * How often Alertmanager is told of each alert that fires, as Prometheus does it: without news it takes an alert as resolved at its
 * `endsAt`, which is several such times ahead.
 */
export const RESEND_MS = 60_000;
