/** A metric as prom-client hands it out: what main has measured goes to reading threads in this form. */
export interface PromMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly PromValue[];
}

export interface PromValue {
  readonly labels: Readonly<Partial<Record<string, string | number>>>;
  readonly value: number;
  /** Of histograms: which of its series it is. */
  readonly metricName?: string;
}
