/** Settings of what is exposed. */
export interface MetricsSettings {
  /** METRICS_LABELS: names of labels, in which `*` stands for any text. */
  readonly labels: readonly string[];
  /** METRICS_MAX_SERIES. */
  readonly maxSeries: number;
}
