/**
 * The names of families of custom metrics, by one rule:
 *
 * 1. The family of the custom metric `name` is `pulselane_custom_` followed by `name`, unchanged. Where a format allows any
 *    UTF-8 in names, it is written like this; elsewhere the format's escaping applies to the whole: with `underscores`, the
 *    default, `queue.depth` becomes `pulselane_custom_queue_depth`.
 * 2. A name of more than 124 bytes in UTF-8 has no family; history keeps no such metric either.
 * 3. Two names of one worker that become the same by escaping would be one series. The name that needs no escaping wins, or
 *    else the first in code point order; the others have no series in this escaping, and are counted and named.
 *
 * So what a metric is called depends on nothing but its own name and the escaping, and which of two wins on nothing but
 * the worker's own names.
 */
import { CUSTOM_PREFIX_BYTES } from '../../model/metric-keys.ts';
import { METRIC_TEXT_BYTES } from '../../store/layout.ts';
import type { Family } from '../family.ts';
import type { Lifetime, WorkerCollection } from './families.ts';

export const CUSTOM_PREFIX = 'pulselane_custom_';
/** As in history. */
export const MAX_CUSTOM_NAME_BYTES = METRIC_TEXT_BYTES - CUSTOM_PREFIX_BYTES;

export const CUSTOM_LIFETIME: Lifetime = 'active';
export const CUSTOM_COLLECTION: WorkerCollection = 'custom';

/** The family by its full name; undefined if the name is too long. */
export function customFamilyName(name: string): string | undefined {
  return hasCustomFamily(name) ? CUSTOM_PREFIX + name : undefined;
}

/** Whether the name is short enough. */
export function hasCustomFamily(name: string): boolean {
  // A character has one to three bytes per UTF-16 unit.
  if (3 * name.length <= MAX_CUSTOM_NAME_BYTES) return true;
  return name.length <= MAX_CUSTOM_NAME_BYTES && Buffer.byteLength(name) <= MAX_CUSTOM_NAME_BYTES;
}

/** @param familyName of `customFamilyName` */
export function customFamily(familyName: string): Family {
  return { name: familyName, type: 'gauge', help: 'A custom metric of workers.' };
}

export interface NamedMetrics {
  /** By the family's name as escaped: the worker's own name for the metric. */
  readonly byFamily: ReadonlyMap<string, string>;
  /** Names without a family: too long. */
  readonly tooLong: readonly string[];
  /** Names without a series: another name of the worker has it. */
  readonly collided: readonly string[];
}

/** The families of one worker's custom metrics. @param escaped the format's escaping of a name */
export function nameMetrics(names: Iterable<string>, escaped: (familyName: string) => string): NamedMetrics {
  const byFamily = new Map<string, string>();
  const tooLong: string[] = [];
  const collided: string[] = [];
  for (const name of names) {
    const plain = customFamilyName(name);
    if (plain === undefined) {
      tooLong.push(name);
      continue;
    }
    const family = escaped(plain);
    const other = byFamily.get(family);
    if (other === undefined) {
      byFamily.set(family, name);
      continue;
    }
    const wins = isBefore(name, other, family);
    collided.push(wins ? other : name);
    if (wins) byFamily.set(family, name);
  }
  return { byFamily, tooLong, collided };
}

/** Names that all become `family`: the one that wins first. */
export function inOrderOfPreference(names: readonly string[], family: string): string[] {
  return names.length === 1 ? [...names] : [...names].sort((one, other) => (isBefore(one, other, family) ? -1 : 1));
}

/** Whether `name` wins over `other`, both of which become `family`. */
function isBefore(name: string, other: string, family: string): boolean {
  if (CUSTOM_PREFIX + name === family) return true;
  if (CUSTOM_PREFIX + other === family) return false;
  return Buffer.compare(Buffer.from(name), Buffer.from(other)) < 0;
}
