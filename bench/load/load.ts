/** What kinds of load there are, and what each tells of itself. */

export type LoadSpec = ClosedUnarySpec | ClosedStreamsSpec | SteadyStreamsSpec | FreshUnarySpec | FloodSpec | StormSpec;

/** Each worker sends its next heartbeat when the last one is acked. */
export interface ClosedUnarySpec {
  readonly type: 'closed-unary';
  readonly grpcPort: number;
  readonly workers: number;
  readonly connections: number;
}

/**
 * Each worker sends as fast as its stream takes it, but no more than `window` heartbeats that are not applied yet: see
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
  /** Each on a connection of its own. */
  readonly streams: number;
  readonly perSecond: number;
  /** So many connections are closed and opened anew in a minute. */
  readonly renewedPerMinute?: number;
  /** So many unary heartbeats of one more worker come beside the streams; their acks are timed. */
  readonly probesPerSecond?: number;
}

/** One worker on one stream sends far more than it should, whatever the server does. */
export interface FloodSpec {
  readonly type: 'flood';
  readonly grpcPort: number;
  readonly workerId: string;
  readonly perSecond: number;
}

/** Opens a connection for each heartbeat, so many at a time. */
export interface FreshUnarySpec {
  readonly type: 'fresh-unary';
  readonly grpcPort: number;
  readonly workers: number;
  readonly atOnce: number;
}

/**
 * One known worker sends at a steady rate, whatever the server does; its acks are timed. At {@link Load.release} so many
 * others come at once, each with a registration and, once that is acked, a first heartbeat.
 */
export interface StormSpec {
  readonly type: 'storm';
  readonly grpcPort: number;
  readonly workers: number;
  readonly connections: number;
  readonly probesPerSecond: number;
}

/** One load under way. */
export interface Load {
  readonly stats: LoadStats;
  /** Sends no more; resolves when all that was sent is acked, or on its way on a stream. */
  stop(): Promise<void>;
  /** Only of steady loads. */
  setRate?(perSecond: number): void;
  /** Only of closed streams: how many heartbeats of each worker are applied. */
  applied?(ofWorkers: Uint32Array): void;
  /** Only of storms: lets it loose. Resolves when all registrations and first heartbeats are acked. */
  release?(): Promise<Released>;
}

export interface Released {
  /** By the clock of all processes. */
  readonly atMs: number;
  /** From the release to the ack of each worker's first heartbeat. */
  readonly ackedAfterMs: readonly number[];
}

export interface LoadStats {
  sent: number;
  /** Of unary calls. */
  acked: number;
  failed: number;
  /** Of probes: from the time at which each was due to its ack, in ms. */
  latenciesMs: number[];
}

export function noStats(): LoadStats {
  return { sent: 0, acked: 0, failed: 0, latenciesMs: [] };
}

export const REGISTER_WORKER = '/cluster.MasterWorker/RegisterWorker';
export const SEND_HEARTBEAT = '/cluster.MasterWorker/SendHeartbeat';
