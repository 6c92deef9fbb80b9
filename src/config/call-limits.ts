/**
 * What bounds each call that somebody outside can make: one row for each RPC and for each HTTP route. Nothing is served
 * without a row: a test lists the methods of the services and the routes of the OpenAPI document, and fails for one that
 * has none, or whose row leaves out how large, how often or how many at a time.
 *
 * Rows say what the code does, and where: the numbers themselves are the settings named here, or constants of this file.
 */

/** One bound. */
export interface Bound {
  /**
   * `size`: bytes of one request · `answer`: bytes of one answer · `rate`: calls a second · `atATime`: calls or connections
   * under way, or bytes of answers · `time`: how long one may take.
   */
  readonly what: 'size' | 'answer' | 'rate' | 'atATime' | 'time';
  /** Whose calls are counted together; of a size or a time, always one call. */
  readonly per: 'call' | 'worker' | 'client' | 'peer' | 'connection' | 'master';
  /** The setting's variable where it is one, else the number: bytes, calls or milliseconds. */
  readonly limit: string | number;
  /** The word by which reaching it is counted in `GET /api/v1/limits`; undefined where it is not a refusal. */
  readonly reason?: string;
}

export interface CallLimits {
  /** `/package.Service/Method` of gRPC; of HTTP the method and the path as in the OpenAPI document: `GET /workers`. */
  readonly call: string;
  readonly bounds: readonly Bound[];
}

/**
 * Largest WorkerInfo and DeregisterRequest. Capacity, versions and an instance take some 200 bytes, so 64 labels of a
 * hundred bytes have room; main decodes it, and every reader keeps it for as long as the worker is known.
 */
export const MAX_REGISTRATION_BYTES = 8 * 1024;
/** Requests of health checks and of reflection: a name. */
export const MAX_QUESTION_BYTES = 4 * 1024;
/** Health watches of one address: a load balancer keeps one or two for each of its own instances. */
export const MAX_PEER_WATCHES = 100;
/** Of all addresses. */
export const MAX_WATCHES = 1000;

const size = (limit: string | number, reason: string): Bound => ({ what: 'size', per: 'call', limit, reason });
const rate = (per: Bound['per'], limit: string, reason: string): Bound => ({ what: 'rate', per, limit, reason });
const atATime = (per: Bound['per'], limit: string | number, reason: string): Bound => ({
  what: 'atATime',
  per,
  limit,
  reason,
});

/** What stands before every RPC. */
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
/** Answered UNIMPLEMENTED, before anything is read of it. */
const UNSERVED: readonly Bound[] = [size(0, 'unimplemented'), CALL_RATE, ...ANY_RPC];

/** Of any path that has no row of its own, as the legacy methods for scheduling. */
export const UNKNOWN_RPC: CallLimits = { call: '/*', bounds: UNSERVED };

/** Of gRPC; the rows of HTTP's routes, whose numbers are its own, are in `http/routes/route-limits.ts`. */
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
