/** Which families a receiver gets: by their names in `GET /metrics`, with `*` for any text. */
import { globMatcher } from '../../lib/globs.ts';
import { describedName, type Family } from '../family.ts';
import { MASTER_FAMILIES } from '../master/families.ts';
import { CUSTOM_PREFIX } from '../workers/custom-names.ts';
import { WORKER_FAMILIES } from '../workers/families.ts';

export type FamilyFilter = (family: Family) => boolean;

/** @param globs undefined: all */
export function familyFilter(globs: readonly string[] | undefined): FamilyFilter {
  if (globs === undefined) return () => true;
  const isNamed = globMatcher(globs);
  return (family) => namesOf(family).some(isNamed);
}

/** The name of the family, and those of its series. */
function namesOf(family: Family): readonly string[] {
  const { name, type } = family;
  return type === 'histogram'
    ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]
    : [...new Set([name, describedName(family)])];
}

/** Families beyond these tables: custom metrics, and those of prom-client, whose names depend on the system. */
const OTHERS = [CUSTOM_PREFIX, 'process_', 'nodejs_'];

/** Those by which no family is chosen. */
export function uselessGlobs(globs: readonly string[]): readonly string[] {
  return globs.filter((glob) => {
    const [head = '', ...more] = glob.split('*');
    if (OTHERS.some((prefix) => head.startsWith(prefix) || (more.length > 0 && prefix.startsWith(head)))) return false;
    return ![...MASTER_FAMILIES, ...WORKER_FAMILIES].some(familyFilter([glob]));
  });
}
