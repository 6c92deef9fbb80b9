/** Connections, and what was refused. */
import { counterBy, gauge, type MasterFamily } from './master-family.ts';

export const FRONT_FAMILIES: readonly MasterFamily[] = [
  gauge('grpc_connections', 'Open gRPC connections.', ({ figures }) => figures.gauges.connections),
  gauge('grpc_streams', 'Open heartbeat streams on gRPC connections.', ({ figures }) => figures.gauges.streams),
  counterBy(
    'refusals',
    'reason',
    'Connections, calls, registrations and heartbeats of workers that were refused; reasons without any are absent.',
    ({ directory }) => directory.refusals,
  ),
];
