/** Which tier each part of a range is exported from. */
import { TIER_MS, type Tier } from '../samples.ts';
import type { ExportRequest, TierPart } from './export-request.ts';

/** From the finest to the coarsest. */
const FINEST_FIRST = ['raw', '1m', '1h'] as const satisfies readonly Tier[];

/**
 * Of samples that were written last, a database may know only when their batch was made: after an outage, it has samples of as
 * long before as rings can hold, which is a day.
 */
const BATCH_SPAN_MS = 24 * TIER_MS['1h'];

/**
 * The parts of the range, oldest first, without overlap. Without a tier, each part has the finest tier that reaches back to it;
 * a change of tier is at the start of a bucket of the coarser one, so that no time is in two parts.
 * @param oldestMs of the data in each tier; absent: it has none
 */
export function tierParts(
  { fromMs, toMs, tier }: Pick<ExportRequest, 'fromMs' | 'toMs' | 'tier'>,
  oldestMs: Readonly<Partial<Record<Tier, number>>>,
): readonly TierPart[] {
  // Before everything there is, there is nothing to walk through.
  const startMs = Math.max(fromMs, beginOf(tier === undefined ? FINEST_FIRST : [tier], oldestMs));
  return tier === undefined ? finestParts(startMs, toMs, oldestMs) : partOf(tier, startMs, toMs);
}

/** Infinity: these tiers have nothing. A bucket begins up to an hour before its first sample. */
function beginOf(tiers: readonly Tier[], oldestMs: Readonly<Partial<Record<Tier, number>>>): number {
  const firstMs = Math.min(...tiers.map((tier) => oldestMs[tier] ?? Number.POSITIVE_INFINITY));
  return Math.floor((firstMs - BATCH_SPAN_MS) / TIER_MS['1h']) * TIER_MS['1h'];
}

function finestParts(fromMs: number, toMs: number, oldestMs: Readonly<Partial<Record<Tier, number>>>): TierPart[] {
  const parts: TierPart[] = [];
  let endMs = toMs;
  for (const [index, finer] of FINEST_FIRST.entries()) {
    if (endMs <= fromMs) break;
    const reachMs = oldestMs[finer];
    if (reachMs === undefined) continue;
    const coarser = FINEST_FIRST.slice(index + 1).filter((each): each is '1m' | '1h' => {
      const eachMs = oldestMs[each];
      return each !== 'raw' && eachMs !== undefined && eachMs < reachMs;
    });
    const [next] = coarser;
    const startMs = next === undefined ? fromMs : Math.max(fromMs, ceilTo(reachMs, TIER_MS[next]));
    parts.unshift(...partOf(finer, Math.min(startMs, endMs), endMs));
    endMs = Math.min(endMs, startMs);
  }
  return parts;
}

function partOf(tier: Tier, fromMs: number, toMs: number): TierPart[] {
  return fromMs < toMs ? [{ tier, fromMs, toMs }] : [];
}

function ceilTo(ms: number, stepMs: number): number {
  return Math.ceil(ms / stepMs) * stepMs;
}
