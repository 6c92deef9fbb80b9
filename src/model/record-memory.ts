/** The memory for records and queued heartbeats, as shown to users. */
export interface RecordMemoryView {
  /** RECORD_MEMORY. */
  readonly budgetBytes: number;
  /** Size of slots beyond the minimum that each worker has. */
  readonly slotBytes: number;
  /** Heartbeats that no lane has processed yet. */
  readonly heartbeatBytes: number;
  /** Slots that were replaced or removed, and not yet collected by all threads. */
  readonly letGoBytes: number;
  /** Current maximum size of a record as JSON. */
  readonly largestRecordBytes: number;
}

export const NO_RECORD_MEMORY: RecordMemoryView = {
  budgetBytes: 0,
  slotBytes: 0,
  heartbeatBytes: 0,
  letGoBytes: 0,
  largestRecordBytes: 0,
};
