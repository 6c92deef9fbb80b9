/** The limits of metrics received by OTLP, with the reason for each value. */

/**
 * Maximum size of a request, as sent and after decompression. A heartbeat, in which all of it must fit, has at most 4 MiB; the 20 MiB
 * that OTLP recommends to servers would only cost an agent memory.
 */
export const MAX_REQUEST_BYTES = 4 * 1024 ** 2;
/** Maximum number of data points that are read from a request: as many metrics as an agent accepts. More are rejected. */
export const MAX_POINTS = 10_000;
/**
 * Maximum number of resources, scopes, metrics, data points and attributes of a request together: {@link MAX_POINTS} points, each the
 * only one of its metric, with eight attributes. In 4 MiB there is room for two million empty ones, which would keep the agent's thread
 * busy for seconds. A request with more is refused.
 */
export const MAX_PARTS = 100_000;
/** Maximum number of attributes of a data point: more than that do not fit into a name of 256 bytes. */
export const MAX_ATTRIBUTES = 64;
/** Maximum number of metrics whose deltas are summed up: as many metrics as an agent accepts. */
export const MAX_TOTALS = 10_000;
/** How many different reasons an answer tells: the first ones are enough to find the mistake. */
export const MAX_TOLD_REASONS = 5;
