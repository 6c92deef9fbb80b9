import { isNearMiss } from '../../config/near-misses.ts';

/** ` did you mean X?`, or what is allowed. @param allowed in the order in which they are shown */
export function suggestion(given: string, allowed: readonly string[]): string {
  const meant = nearName(given, allowed);
  return meant === undefined ? `expected ${listed(allowed)}` : `did you mean ${meant}?`;
}

/** The name that was probably meant: at most one or two typos away, in any case, or written with other separators. */
export function nearName(given: string, allowed: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[-_ ]/g, '');
  return (
    allowed.find((name) => plain(name) === plain(given)) ??
    allowed.find((name) => isNearMiss(given.toLowerCase(), name.toLowerCase()))
  );
}

function listed(names: readonly string[]): string {
  return names.length === 1 ? String(names[0]) : `one of ${names.join(', ')}`;
}
