/**
 * Which master is tried next, and when, as pure functions: the masters of the list in turn, the next one soon, and a
 * wait that grows whenever a whole round of them has failed.
 */
import { type Address, formatAddress } from '../../config/kinds.ts';
import { backoffMs } from '../backoff.ts';

/** What is known of the masters; plain data, replaced and never changed. */
export interface MasterRotation {
  /** In the order in which they are tried; at least one. */
  readonly masters: readonly Address[];
  /** The index of the master in use, or to be tried next. */
  readonly at: number;
  /** Indexes of those that have failed in this round. */
  readonly failed: readonly number[];
  /** Whole rounds in a row in which no master took a heartbeat. */
  readonly roundsFailed: number;
  /** Until when a master is to be left alone, by its address, in monotonic time. */
  readonly quietUntilMs: ReadonlyMap<string, number>;
}

/** A new round over these masters; `before` is what was known until now, since who asked for quiet is to have it. */
export function masterRotationOf(masters: readonly Address[], before?: MasterRotation): MasterRotation {
  return { masters, at: 0, failed: [], roundsFailed: 0, quietUntilMs: before?.quietUntilMs ?? new Map() };
}

export function masterOf({ masters, at }: MasterRotation): Address {
  return masters[at] as Address;
}

/** How long the master whose turn it is wants to be left alone still. */
export function quietForMs(rotation: MasterRotation, nowMs: number): number {
  return Math.max(0, quietUntilMs(rotation, rotation.at) - nowMs);
}

/** A master took a heartbeat: what failed before counts no more, and who asked for quiet has it still. */
export function afterAccepted(rotation: MasterRotation): MasterRotation {
  return rotation.failed.length === 0 && rotation.roundsFailed === 0
    ? rotation
    : { ...rotation, failed: [], roundsFailed: 0 };
}

export interface DisconnectFacts {
  readonly nowMs: number;
  /** How long the lost master is not to be asked again; 0 if it did not say. */
  readonly quietMs: number;
  /** Between two heartbeats: the next master is tried within it. */
  readonly intervalMs: number;
  /** From 0 up to, not including, 1; the jitter, so that a fleet does not come to the next master in one moment. */
  readonly random: number;
}

/** The master in use, or that was tried, is lost: whose turn it is now, and in how long. */
export function afterDisconnect(
  before: MasterRotation,
  facts: DisconnectFacts,
): { readonly rotation: MasterRotation; readonly delayMs: number } {
  const { nowMs, quietMs, intervalMs, random } = facts;
  const rotation = {
    ...before,
    failed: [...before.failed, before.at],
    quietUntilMs: withQuiet(before, nowMs, quietMs),
  };
  const hopMs = Math.min(intervalMs, backoffMs(1, random));
  const next = inTurn(rotation).find(
    (at) => !rotation.failed.includes(at) && quietUntilMs(rotation, at) <= nowMs + hopMs,
  );
  if (next !== undefined) return { rotation: { ...rotation, at: next }, delayMs: hopMs };

  const roundsFailed = rotation.roundsFailed + 1;
  const waitMs = backoffMs(roundsFailed, random);
  const delayOf = (at: number): number => Math.max(waitMs, quietUntilMs(rotation, at) - nowMs);
  const first = inTurn(rotation).reduce((best, at) => (delayOf(at) < delayOf(best) ? at : best));
  return { rotation: { ...rotation, at: first, failed: [], roundsFailed }, delayMs: delayOf(first) };
}

/** All masters, from the one after the lost one round to that itself. */
function inTurn({ masters, at }: MasterRotation): number[] {
  return masters.map((_, index) => (at + 1 + index) % masters.length);
}

function quietUntilMs(rotation: MasterRotation, at: number): number {
  return rotation.quietUntilMs.get(formatAddress(rotation.masters[at] as Address)) ?? Number.NEGATIVE_INFINITY;
}

function withQuiet(rotation: MasterRotation, nowMs: number, quietMs: number): ReadonlyMap<string, number> {
  const still = [...rotation.quietUntilMs].filter(([, untilMs]) => untilMs > nowMs);
  if (quietMs > 0) still.push([formatAddress(masterOf(rotation)), nowMs + quietMs]);
  return new Map(still);
}
