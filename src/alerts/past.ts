/**
 * What the alerts thread wants to know of the time before it: declared here, since alerts/ may not import history/ (equal rank), and
 * implemented by app/, which may.
 */

export interface PastRequest {
  readonly workerIds: readonly string[];
  /** As history names it: `cpu_usage`, `running_tasks`, `anomaly_score`, `metrics.<name>`. */
  readonly key: string;
  /** Unix ms; the end is exclusive. */
  readonly fromMs: number;
  readonly toMs: number;
  /** How far apart values may be, in ms: minutes or hours are read instead of samples if they suffice. */
  readonly resolutionMs: number;
}

/** Values of one worker, oldest first. Samples have a count of 1, and all four values are equal. */
export interface PastValues {
  /** Unix ms: when a sample was received, or when a minute or an hour began. */
  readonly at: Float64Array;
  /** How long each of them lasts, in ms; 0: they are samples. */
  readonly bucketMs: number;
  readonly count: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly mean: Float64Array;
  readonly last: Float64Array;
}

export interface Past {
  /**
   * Reads values, in parts that let other work of the thread run in between. `take` may be called several times for a worker, later
   * values later; not at all for one without values.
   * @throws if they cannot be read at present. What was taken until then is right.
   */
  read(request: PastRequest, take: (workerId: string, values: PastValues) => void): Promise<void>;
}

/** There is none: HISTORY=off. */
export const NO_PAST: Past = { read: async () => {} };
