/**
 * What became of heartbeats. Each accepted one is eventually applied, replaced, rejected, lost or forgotten, so the sums
 * are equal once the lanes have processed all.
 */
import { APPLY_FAMILY } from './apply-histogram.ts';
import { counter, counterBy, type MasterFamily } from './master-family.ts';

export const HEARTBEAT_FAMILIES: readonly MasterFamily[] = [
  counterBy(
    'heartbeats_accepted',
    'transport',
    'Heartbeats that the master accepted.',
    ({ figures }) => figures.totals.acceptedBy,
  ),
  counterBy(
    'heartbeats_refused',
    'reason',
    'Heartbeats that the master did not accept, by the code of the error.',
    ({ figures }) => figures.totals.refusedBy,
  ),
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
  counter(
    'heartbeat_gaps',
    'Times that heartbeats of a worker were missing when a later one arrived; missing ones may arrive late.',
    ({ figures }) => figures.totals.gaps,
  ),
  APPLY_FAMILY,
];
