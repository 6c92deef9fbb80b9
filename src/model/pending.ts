/** A worker that was refused under `approved` admission, and waits for an operator. */
export interface PendingWorker {
  readonly workerId: string;
  readonly firstSeenUnixMs: number;
  readonly lastSeenUnixMs: number;
  readonly attempts: number;
}
