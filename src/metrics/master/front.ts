/** Connections, and what was refused. */
import { counterBy, gauge, gaugeBy, type MasterFamily } from './master-family.ts';

export const FRONT_FAMILIES: readonly MasterFamily[] = [
  gauge('grpc_connections', 'Open gRPC connections.', ({ figures }) => figures.gauges.connections),
  gauge('grpc_streams', 'Open heartbeat streams on gRPC connections.', ({ figures }) => figures.gauges.streams),
  counterBy(
    'refusals',
    'reason',
    'Connections, calls, registrations and heartbeats of workers that were refused; reasons without any are absent.',
    ({ directory }) => directory.refusals,
  ),
  counterBy('http_refusals', 'reason', 'HTTP connections and requests that were refused.', ({ board }) => {
    return board.threads.http.refused;
  }),
  gaugeBy(
    'stream_clients',
    'kind',
    'Clients that receive changes over HTTP.',
    ({ board }) => board.threads.http.clients,
  ),
  counterBy('stream_clients_dropped', 'reason', 'Clients of streams that were disconnected.', ({ board }) => {
    return board.threads.http.dropped;
  }),
];
