/** Labels of alerts. */

export type Labels = Readonly<Record<string, string>>;

/** @returns the empty text if the label is missing, which is the same to matchers, `equal` and `group_by` */
export function labelValue(labels: Labels, name: string): string {
  return Object.hasOwn(labels, name) ? (labels[name] as string) : '';
}
