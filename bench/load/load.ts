/** The kinds of load, and the figures of each. */

export type LoadSpec =
  | ClosedHttpSpec
  | ClosedUnarySpec
  | ClosedStreamsSpec
  | SteadyStreamsSpec
  | FreshUnarySpec
  | FloodSpec
  | StormSpec;

/** Heartbeats as JSON; each connection sends its next request when it has the answer to the last. */
export interface ClosedHttpSpec {
  readonly type: 'closed-http';
  readonly httpPort: number;
  readonly workers: number;
  readonly connections: number;
  /** Heartbeats; more than one are sent as a list. */
  readonly perRequest: number;
}

/** Each worker sends its next heartbeat when the last one is acked. */
export interface ClosedUnarySpec {
  readonly type: 'closed-unary';
  readonly grpcPort: number;
  readonly workers: number;
  readonly connections: number;
}

/**
 * Each worker sends as fast as its stream accepts, but has at most `window` unapplied heartbeats: see
 * {@link Load.applied}. With a window of LANE_DEPTH no heartbeat has to be replaced by a newer one.
 */
export interface ClosedStreamsSpec {
  readonly type: 'closed-streams';
  readonly grpcPort: number;
  readonly workers: number;
  readonly streams: number;
  readonly window: number;
}

/** Workers send in turn at a steady rate, whatever the server does. */
export interface SteadyStreamsSpec {
  readonly type: 'steady-streams';
  readonly grpcPort: number;
  readonly workers: number;
  /** Each stream has its own connection. */
  readonly streams: number;
  readonly perSecond: number;
  /** How many connections are closed and reopened per minute. */
  readonly renewedPerMinute?: number;
  /** Unary heartbeats per second of one extra worker besides the streams; their acks are timed. */
  readonly probesPerSecond?: number;
  /** Custom metrics of each worker; none if absent. */
  readonly metrics?: number;
}

/** One worker on one stream sends far more than it should, whatever the server does. */
export interface FloodSpec {
  readonly type: 'flood';
  readonly grpcPort: number;
  readonly workerId: string;
  readonly perSecond: number;
}

/** Opens a connection for each heartbeat, several at a time. */
export interface FreshUnarySpec {
  readonly type: 'fresh-unary';
  readonly grpcPort: number;
  readonly workers: number;
  readonly atOnce: number;
}

/**
 * One known worker sends at a steady rate, whatever the server does; its acks are timed. At {@link Load.release} all
 * others connect at once, each with a registration and, once that is acked, a first heartbeat.
 */
export interface StormSpec {
  readonly type: 'storm';
  readonly grpcPort: number;
  readonly workers: number;
  readonly connections: number;
  readonly probesPerSecond: number;
}

/** A running load. */
export interface Load {
  readonly stats: LoadStats;
  /** Stops sending; resolves when everything sent is acked, or written to a stream. */
  stop(): Promise<void>;
  /** Only of steady loads. */
  setRate?(perSecond: number): void;
  /** Only of closed streams: how many heartbeats of each worker are applied. */
  applied?(ofWorkers: Uint32Array): void;
  /** Only for storms: starts the storm. Resolves when all registrations and first heartbeats are acked. */
  release?(): Promise<Released>;
}

export interface Released {
  /** By the shared clock. */
  readonly atMs: number;
  /** From the release to the ack of each worker's first heartbeat. */
  readonly ackedAfterMs: readonly number[];
}

export interface LoadStats {
  sent: number;
  /** Of unary calls. */
  acked: number;
  failed: number;
  /** Of probes: from the due time to the ack, in ms. */
  latenciesMs: number[];
}

export function noStats(): LoadStats {
  return { sent: 0, acked: 0, failed: 0, latenciesMs: [] };
}

export const REGISTER_WORKER = '/cluster.MasterWorker/RegisterWorker';
export const SEND_HEARTBEAT = '/cluster.MasterWorker/SendHeartbeat';
