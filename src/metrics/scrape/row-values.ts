/**
 * The values of one family, by board row. Each has the version at which it changed last, so that whoever made text of an earlier version
 * knows which lines to write again.
 */

/** Versions only increase, within one life of a thread. */
export type Version = number;

export interface RowValues<Value> {
  /** Ascending. */
  readonly rows: ArrayLike<number>;
  /** Of each of these rows; undefined: the worker has no series in this family. */
  readonly values: ArrayLike<Value | undefined>;
  /** When each of these values changed last. */
  readonly changed: ArrayLike<Version>;
  /** Of the last change in any row. */
  readonly version: Version;
}
