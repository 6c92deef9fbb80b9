/**
 * What became of heartbeats. Each accepted one is eventually applied, replaced, rejected, lost or forgotten, so the sums
 * are equal once the lanes have processed all.
 */
import { counter, counterBy, type MasterFamily } from './master-family.ts';

export const HEARTBEAT_FAMILIES: readonly MasterFamily[] = [
  counter('heartbeats_accepted', 'Heartbeats that the master accepted.', ({ figures }) => figures.totals.accepted),
  counter(
    'heartbeats_applied',
    'Accepted heartbeats that a lane decoded and published.',
    ({ figures }) => figures.totals.applied,
  ),
  counterBy(
    'heartbeats_replaced',
    'reason',
    'Accepted heartbeats that a newer one of the same worker replaced before a lane processed them.',
    ({ figures }) => figures.totals.replacedBy,
  ),
  counterBy(
    'heartbeats_rejected',
    'reason',
    'Accepted heartbeats that a lane rejected; all of one worker within 250 ms count under the last reason.',
    ({ figures }) => figures.totals.rejectedBy,
  ),
  counterBy(
    'heartbeats_lost',
    'reason',
    'Accepted heartbeats that were in process when the thread of their lane ended.',
    ({ figures }) => figures.totals.lostBy,
  ),
  counter(
    'heartbeats_forgotten',
    'Accepted heartbeats that were not processed when their worker was removed.',
    ({ figures }) => figures.totals.forgotten,
  ),
];
