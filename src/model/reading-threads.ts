/**
 * The threads that only read shared memory, for their figures.
 *
 * | thread        | does                                                                 |
 * |---------------|----------------------------------------------------------------------|
 * | http          | serves HTTP                                                          |
 * | query         | queries over many workers; started by the HTTP thread, two at most    |
 * | history_query | queries of history; the same                                         |
 * | metrics       | writes `GET /metrics`; the same, one at most                          |
 * | history       | writes history                                                       |
 * | export        | sends metrics to receivers                                           |
 * | alerts        | evaluates alerting rules and delivers alerts                         |
 */
export const READING_THREADS = ['http', 'query', 'history_query', 'metrics', 'history', 'export', 'alerts'] as const;
export type ReadingThreadName = (typeof READING_THREADS)[number];
/** They end with the thread that started them. */
export const HTTP_POOL_THREADS: readonly ReadingThreadName[] = ['query', 'history_query', 'metrics'];
