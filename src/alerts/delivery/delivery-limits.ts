/** Every limit of the queue of notifications, with the reason for its value. */

export interface QueueLimits {
  /** Notifications that wait. A receiver that is away for an hour gets one per group and `group_interval` with news. */
  readonly notifications: number;
  /** Of their text, in characters: they are in memory, too, so that a full disk keeps nobody from being told. */
  readonly size: number;
  /** The same for one target of a receiver: one that is away leaves room for the others. */
  readonly perTarget: { readonly notifications: number; readonly size: number };
}

export const QUEUE_LIMITS: QueueLimits = {
  notifications: 5000,
  size: 64 * 1024 * 1024,
  // 20,000 alerts for an Alertmanager are 14 million characters.
  perTarget: { notifications: 2000, size: 24 * 1024 * 1024 },
};

/** Deliveries at a time. A target that has none under way gets one in any case: those that hang hold up nobody else. */
export const MAX_UNDER_WAY = 64;
/** To one target, of different groups. While it fails, one: an attempt a time is enough to see that it is back. */
export const UNDER_WAY_PER_TARGET = 4;

/** A sender has its own, shorter time-outs; this is for one that does not keep them. */
export const SEND_WITHIN_MS = 60_000;
/** After that it was asked to end. */
export const ABORT_WITHIN_MS = 2000;

/** What is under way at a stop may end: less than the thread has. */
export const STOP_WITHIN_MS = 1500;

/** Before the second attempt; each wait is twice the one before. */
export const FIRST_BACKOFF_MS = 1000;
/** So a receiver that is back gets what waits within a minute. */
export const MAX_BACKOFF_MS = 60_000;
/** Of a target that fails, between attempts of whatever group. */
export const MAX_TARGET_BACKOFF_MS = 10_000;
/** A receiver may ask to wait, but for no longer: somebody is to be woken. */
export const MAX_ASKED_WAIT_MS = 3_600_000;

/** Then it is given up: what still fires is told anew, as it is then. */
export const MAX_AGE_MS = 4 * 3_600_000;
/** Also if it is older: after the master was down, and if its clock was set forward. */
export const LEAST_ATTEMPTS = 5;
/** Four hours of attempts with the shortest wait between two, half of MAX_BACKOFF_MS. The clock may have been set back. */
export const MAX_ATTEMPTS = 500;

/** Waiting notifications of a group in which the beginning of an alert is looked for when it ends: 20 of 200 KB are 4 MB to parse. */
export const MAX_LOOKED_BACK = 20;

/** Notifications that were given up and are kept. About 500 KB. */
export const MAX_DEAD_LETTERS = 500;
/** Alerts that are named with one. */
export const MAX_NAMED_ALERTS = 5;

/** A receiver that has failed for so long is a fault of the master: nobody is told. Receivers are restarted in less. */
export const FAULT_AFTER_MS = 2 * 60_000;
