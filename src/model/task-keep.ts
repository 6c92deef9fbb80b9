/** For what comes once a week: the longest time that the agent keeps a task or metric without an update. */
export const MAX_KEEP_MS = 8 * 24 * 3_600_000;
