/** Limits of the alerts thread's part in anomalies, with the reason for each. */

/** How often workers are compared with their groups: as often as they send by default. 10,000 workers take some 20 ms. */
export const PEERS_EVERY_MS = 5000;

/** How often the seasonal baselines have their turn. */
export const SEASONS_EVERY_MS = 1000;
/** At most so many workers in a turn: 10,000 have theirs within 200 s of the hour, and reading their hours leaves time for rules. */
export const WORKERS_PER_TURN = 50;
/** After the database did not answer. */
export const SEASONS_RETRY_MS = 60_000;
/** What is learned from at the start: the weeks that count (model/anomaly/seasonal.ts), and one more for holidays. */
export const LEARN_BACK_MS = 6 * 7 * 24 * 3_600_000;
/** Metrics with a baseline of each worker, at most: its usages, its tasks, and some custom ones. */
export const MAX_METRICS_PER_WORKER = 12;
/**
 * … and of all together, 1456 bytes each: 73 MB. The usages and tasks of 10,000 workers. While that is too little for all, each worker
 * has as many as any other that has more, its usages first.
 */
export const MAX_METRICS = 50_000;
/** How often workers are looked through for those that are new, have more metrics, or whose hour is over. */
export const ROUND_EVERY_MS = 60_000;
/** A lane is told what is expected if the hour explains at least so much of what the metric does. */
export const SURE_FROM = 0.5;
