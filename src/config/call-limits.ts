/**
 * The limits of each RPC: size, rate, concurrency and time. A test lists the methods of the gRPC services and the routes
 * of the OpenAPI document, and fails if one has no row, or if its row has no size, rate or concurrency limit.
 *
 * The table describes what the code enforces. Each limit is a setting, or a constant of this file.
 */

export interface Bound {
  /**
   * `size`: bytes of a request · `answer`: bytes of an answer · `rate`: calls per second · `atATime`: concurrent calls or
   * connections, or bytes of concurrent answers · `time`: duration of a call.
   */
  readonly what: 'size' | 'answer' | 'rate' | 'atATime' | 'time';
  /** Calls with the same key share the limit; `call` for a size or a time. */
  readonly per: 'call' | 'worker' | 'client' | 'peer' | 'connection' | 'master';
  /** The setting's variable, or a constant: bytes, calls or milliseconds. */
  readonly limit: string | number;
  /** Name of the refusal counter in `GET /api/v1/limits`; undefined if reaching the limit refuses nothing. */
  readonly reason?: string;
}

export interface CallLimits {
  /** gRPC: `/package.Service/Method`. HTTP: method and path as in the OpenAPI document, `GET /workers`. */
  readonly call: string;
  readonly bounds: readonly Bound[];
}

/**
 * Largest WorkerInfo and DeregisterRequest. Capacity, versions and instance take about 200 bytes, which leaves room for
 * 64 labels of 100 bytes. Main decodes the message, and every reader keeps it while the worker is known.
 */
export const MAX_REGISTRATION_BYTES = 8 * 1024;
/** Requests of health checks and reflection hold only a name. */
export const MAX_QUESTION_BYTES = 4 * 1024;
/** Concurrent health watches per address: a load balancer keeps one or two per instance. */
export const MAX_PEER_WATCHES = 100;
/** Concurrent health watches of all addresses. */
export const MAX_WATCHES = 1000;

const size = (limit: string | number, reason: string): Bound => ({ what: 'size', per: 'call', limit, reason });
const rate = (per: Bound['per'], limit: string, reason: string): Bound => ({ what: 'rate', per, limit, reason });
const atATime = (per: Bound['per'], limit: string | number, reason: string): Bound => ({
  what: 'atATime',
  per,
  limit,
  reason,
});

/** Limits that every RPC has. */
const ANY_RPC: readonly Bound[] = [
  size('MAX_METADATA_SIZE', 'metadata'),
  atATime('connection', 'MAX_STREAMS_PER_CONNECTION', 'streams'),
  atATime('peer', 'MAX_GRPC_CONNECTIONS_PER_PEER', 'peer_connections'),
  atATime('master', 'MAX_GRPC_CONNECTIONS', 'connections'),
];
const CALL_RATE = rate('peer', 'MAX_PEER_CALL_RATE', 'peer_call_rate');
const HEARTBEAT: readonly Bound[] = [
  size('MAX_MESSAGE_SIZE', 'message_size'),
  rate('peer', 'MAX_PEER_HEARTBEAT_RATE', 'peer_heartbeat_rate'),
  rate('worker', 'MAX_HEARTBEAT_RATE', 'worker_heartbeat_rate'),
  ...ANY_RPC,
];
const REGISTRATION: readonly Bound[] = [
  size(MAX_REGISTRATION_BYTES, 'registration_size'),
  CALL_RATE,
  rate('worker', 'MAX_REGISTER_RATE', 'worker_register_rate'),
  ...ANY_RPC,
];
const QUESTION: readonly Bound[] = [size(MAX_QUESTION_BYTES, 'malformed_call'), CALL_RATE, ...ANY_RPC];
/** Answered UNIMPLEMENTED before any of the request is read. */
const UNSERVED: readonly Bound[] = [size(0, 'unimplemented'), CALL_RATE, ...ANY_RPC];

/** Paths without a row, such as the legacy scheduling methods. */
export const UNKNOWN_RPC: CallLimits = { call: '/*', bounds: UNSERVED };

/** Limits of the gRPC methods. Those of HTTP routes are in `http/routes/route-limits.ts`. */
export const CALL_LIMITS: readonly CallLimits[] = [
  { call: '/pulselane.v1.TelemetryService/StreamHeartbeats', bounds: [...HEARTBEAT, CALL_RATE] },
  { call: '/pulselane.v1.TelemetryService/Register', bounds: REGISTRATION },
  { call: '/pulselane.v1.TelemetryService/Deregister', bounds: REGISTRATION },
  { call: '/cluster.MasterWorker/SendHeartbeat', bounds: HEARTBEAT },
  { call: '/cluster.MasterWorker/RegisterWorker', bounds: REGISTRATION },
  { call: '/cluster.MasterWorker/MasterRegister', bounds: UNSERVED },
  { call: '/grpc.health.v1.Health/Check', bounds: QUESTION },
  { call: '/grpc.health.v1.Health/List', bounds: QUESTION },
  {
    call: '/grpc.health.v1.Health/Watch',
    bounds: [...QUESTION, atATime('peer', MAX_PEER_WATCHES, 'watches'), atATime('master', MAX_WATCHES, 'watches')],
  },
  { call: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', bounds: QUESTION },
  { call: '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo', bounds: QUESTION },
  UNKNOWN_RPC,
];
