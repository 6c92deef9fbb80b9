/** Every bound of what a reading thread keeps, and why it is that number. */

/** Workers that are gone and still told of: twice a fleet of 10,000, so that all of it may be replaced. Some 2 MiB. */
export const MAX_GONE_REMEMBERED = 20_000;
