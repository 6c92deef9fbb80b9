/**
 * What one heartbeat may hold: the one rule for the agent, which refuses more where it is given, and for the master, which
 * refuses more when it comes.
 */
const MIB = 1024 ** 2;

/**
 * Tasks, devices and metrics in one heartbeat. Five times the 10,000 that a large worker runs; without a bound, 4 MiB of
 * empty tasks would be two million objects, and end the lane for want of memory.
 */
export const MAX_ITEMS = 50_000;
/** Of a heartbeat as it is sent, by default: 4 MiB hold 10,000 running tasks with room to spare, 50,000 plain ones. */
export const MAX_MESSAGE_BYTES = 4 * MIB;
/** Of its record as JSON, by default: the names of members make a task twice as long as it is on the wire. */
export const MAX_RECORD_BYTES = 8 * MIB;
