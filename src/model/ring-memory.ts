/** The memory for rings of samples, as shown to users. */
export interface RingMemoryView {
  /** RING_MEMORY. */
  readonly budgetBytes: number;
  /** Size of all rings with their columns of metrics. */
  readonly usedBytes: number;
  /** How much time the rings hold; less than `wantedSpanMs` while memory is short. */
  readonly spanMs: number;
  /** RING_TIME; 0: there are no rings. */
  readonly wantedSpanMs: number;
}

export const NO_RING_MEMORY: RingMemoryView = { budgetBytes: 0, usedBytes: 0, spanMs: 0, wantedSpanMs: 0 };
