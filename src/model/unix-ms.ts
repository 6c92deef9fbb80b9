/** The latest time that a Date can hold, in milliseconds since the Unix epoch: September 275760. */
export const MAX_UNIX_MS = 8.64e15;
