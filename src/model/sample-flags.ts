/** What is known of a worker when a heartbeat of it comes, kept with each sample as bits. */
export const SampleFlag = {
  /** The worker's last heartbeat before it left. */
  leaving: 1,
  /** The worker was not active when the heartbeat came. */
  returned: 2,
  flapping: 4,
  stuck: 8,
  /** It lists devices, or has a GPU usage above 0: without this bit a GPU usage of 0 is no measurement. */
  hasGpu: 16,
} as const;
