/** The memory for records and for heartbeats on their way to lanes, as everybody is shown it. */
export interface RecordMemoryView {
  /** RECORD_MEMORY. */
  readonly budgetBytes: number;
  /** Slots, beyond the least that each worker has. */
  readonly slotBytes: number;
  /** Heartbeats that no lane has done yet. */
  readonly heartbeatBytes: number;
  /** Slots that were replaced or forgotten, and that threads have not yet collected. */
  readonly letGoBytes: number;
  /** What a record may have just now, as JSON. */
  readonly largestRecordBytes: number;
}

export const NO_RECORD_MEMORY: RecordMemoryView = {
  budgetBytes: 0,
  slotBytes: 0,
  heartbeatBytes: 0,
  letGoBytes: 0,
  largestRecordBytes: 0,
};
