/** Labels of alerts. */

export type Labels = Readonly<Record<string, string>>;

/** @returns the empty text if the label is missing, which is the same to matchers, `equal` and `group_by` */
export function labelValue(labels: Labels, name: string): string {
  return Object.hasOwn(labels, name) ? (labels[name] as string) : '';
}

export function sameLabels(a: Labels, b: Labels): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}
