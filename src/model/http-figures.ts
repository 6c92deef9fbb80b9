/** Terms for what the HTTP side counts. Defined at this low rank because its thread counts and all reading threads show it. */

/** Why the HTTP side refuses a connection or a request; each belongs to a check or a limit of http/. */
export const HTTP_REFUSAL_REASONS = [
  'host',
  'origin',
  'unauthenticated',
  'guesses',
  'permission',
  'rate',
  'body',
  'connections',
  'connections_per_peer',
  'handshake',
  'live_clients',
  'filters',
  'filters_per_client',
  'waiting',
  'waiting_per_client',
  'headers',
  'timeout',
  'idle',
  'malformed',
  'pipelined',
  'answers',
  'queries',
  'exports',
  'scrapes',
  'commands',
  'heartbeats',
] as const;
export type HttpRefusalReason = (typeof HTTP_REFUSAL_REASONS)[number];

/**
 * | kind           | client                                        |
 * |----------------|-----------------------------------------------|
 * | stream         | of `/api/v1/stream`                           |
 * | websocket      | of `/ws/telemetry`                            |
 * | blocking_query | a request that waits for a change             |
 */
export const LIVE_CLIENT_KINDS = ['stream', 'websocket', 'blocking_query'] as const;
export type LiveClientKind = (typeof LIVE_CLIENT_KINDS)[number];

/**
 * Why a live client was disconnected: it read nothing for too long; it was the slowest while frames used too much memory;
 * or it did not answer a ping.
 */
export const DROP_REASONS = ['slow', 'memory', 'silent'] as const;
export type DropReason = (typeof DROP_REASONS)[number];
