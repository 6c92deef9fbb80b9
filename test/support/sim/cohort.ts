/** Alike workers. Their ids are the prefix and a number from 0. */
export interface Cohort {
  readonly prefix: string;
  readonly count: number;
  /** Where they connect: a master's gRPC, or a proxy before it. */
  readonly port: number;
  readonly intervalMs: number;
  /**
   * `shared`: so many workers at a time share a connection and a stream; `own`: each has its own; `go`: the legacy
   * service, a new connection for each heartbeat.
   */
  readonly link: 'shared' | 'own' | 'go';
  /** Default: 10. */
  readonly workersPerStream?: number;
  /** Longest wait before a stream that has ended is opened again. Default: one interval. */
  readonly maxBackoffMs?: number;
  readonly group?: string;
  readonly ephemeral?: boolean;
  /** Added to the worker's wall clock. */
  readonly clockOffsetMs?: number;
  /** Goes with each call. */
  readonly token?: string;
}

export function idsOf({ prefix, count }: Pick<Cohort, 'prefix' | 'count'>): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}
