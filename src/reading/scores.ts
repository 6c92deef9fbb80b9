/** How unusual a worker is now: the larger of its own score, from its lane, and of that beside its group, from the alerts thread. */
import type { PeerScoresReader } from '../store/peer-scores.ts';
import type { SlotScore } from '../store/slot-reader.ts';
import type { WorkerEntry } from './directory.ts';

/** @returns undefined: nothing was scored yet, or nothing is (ANOMALIES=off) @throws SlotGone if the worker was removed */
export function scoreOf(
  { slot, row, occupant }: Pick<WorkerEntry, 'slot' | 'row' | 'occupant'>,
  { peerScores }: { readonly peerScores: PeerScoresReader },
): SlotScore | undefined {
  const own = slot.score;
  if (own === undefined) return undefined;
  const peers = peerScores.of(row, occupant);
  return peers === undefined || own.score >= peers.score ? own : peers;
}
