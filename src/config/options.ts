/**
 * Every setting, once: its variable, flag, kind, default and meaning. Parsing, validation, `--help` and the
 * tables of docs/configuration.md come from here. Flags win over the environment, which wins over `.env`, which wins over the default.
 */
import { hostname } from 'node:os';
import { LOG_LEVELS } from '../lib/logging.ts';
import type { ApiToken } from '../lib/tokens.ts';
import * as kinds from './kinds.ts';

export interface Option<T> {
  readonly env: string;
  /** Empty for secrets: the command line of a process is shown to everybody on its machine. */
  readonly flag: string;
  /** What stands for the value in `--help`; empty for switches. */
  readonly argument: string;
  readonly kind: kinds.Kind<T>;
  /** As a user would write it; undefined if there is none. */
  readonly fallback: string | undefined;
  /** What is said of a fallback that differs from machine to machine. */
  readonly fallbackShown?: string;
  readonly meaning: string;
}

export type Options = Readonly<Record<string, Option<unknown>>>;
export type ValuesOf<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

function option<T>(spec: Option<T>): Option<T> {
  return spec;
}

const MIB = 1024 ** 2;

const logLevel = option({
  env: 'LOG_LEVEL',
  flag: '--log-level',
  argument: '<level>',
  kind: kinds.choice(...LOG_LEVELS),
  fallback: 'info',
  meaning: `least level that is logged: ${LOG_LEVELS.join(', ')}`,
});

const heartbeatIntervalMs = option({
  env: 'HEARTBEAT_INTERVAL',
  flag: '--heartbeat-interval',
  argument: '<duration>',
  // Below 100 ms a fleet measures itself; above an hour no timeout makes sense.
  kind: kinds.durationMs({ minMs: 100, maxMs: 3_600_000 }),
  fallback: '5s',
  meaning: 'how often workers send; the master tells its value in every ack',
});

export const masterOptions = {
  httpAddress: option({
    env: 'HTTP_PORT',
    flag: '--http-port',
    argument: '<address>',
    kind: kinds.listenAddressOrOff,
    fallback: '127.0.0.1:8080',
    meaning: 'HTTP API: :8080 (all interfaces), 8080 (loopback), 127.0.0.1:8080, [::1]:8080, or off',
  }),
  grpcAddress: option({
    env: 'GRPC_PORT',
    flag: '--grpc-port',
    argument: '<address>',
    kind: kinds.listenAddress,
    fallback: '127.0.0.1:50051',
    meaning: 'gRPC, where workers send; same forms as HTTP_PORT, never off',
  }),
  advertiseAddress: option<kinds.Address | undefined>({
    env: 'ADVERTISE_ADDRESS',
    flag: '--advertise-address',
    argument: '<host:port>',
    kind: kinds.peerAddress,
    fallback: undefined,
    meaning: 'the address of this master that "register <id> <ip:port>" tells a worker; default: the gRPC address',
  }),
  introduceTlsCa: option<string | undefined>({
    env: 'INTRODUCE_TLS_CA',
    flag: '--introduce-tls-ca',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning:
      'authorities of the certificates of agents that "register <id> tls://<ip:port>" calls; default: those that Node comes ' +
      'with; the master shows the certificate of TLS_CERT there, if it has one',
  }),
  heartbeatIntervalMs,
  inactivityTimeoutMs: option({
    env: 'INACTIVITY_TIMEOUT',
    flag: '--inactivity-timeout',
    argument: '<duration>',
    kind: kinds.durationMs({ minMs: 200 }),
    fallback: '30s',
    meaning: 'silence after which a worker is inactive; at least twice the heartbeat interval',
  }),
  retentionMs: option({
    env: 'RETENTION',
    flag: '--retention',
    argument: '<duration>',
    kind: kinds.durationMs({ maxMs: 10 * 365 * 24 * 3_600_000 }),
    fallback: '24h',
    meaning: 'silence after which a worker is forgotten; 0 = never',
  }),
  ephemeralRetentionMs: option({
    env: 'EPHEMERAL_RETENTION',
    flag: '--ephemeral-retention',
    argument: '<duration>',
    kind: kinds.durationMs({ maxMs: 10 * 365 * 24 * 3_600_000 }),
    fallback: '10m',
    meaning: 'the same for workers that registered as ephemeral; 0 = as for all',
  }),
  restartGraceMs: option({
    env: 'RESTART_GRACE',
    flag: '--restart-grace',
    argument: '<duration>',
    // Below the sum of these an agent that does all as it should may come back too late.
    kind: kinds.durationMs({ maxMs: 3_600_000 }),
    fallback: '60s',
    meaning:
      'how long a master that was started again waits for the workers it knew before it calls any of them inactive; at ' +
      'least the inactivity timeout, two intervals and the 10 s of an agent’s back-off',
  }),
  brakeMaxHoldMs: option({
    env: 'BRAKE_MAX_HOLD',
    flag: '--brake-max-hold',
    argument: '<duration>',
    kind: kinds.durationMs({ maxMs: 24 * 3_600_000 }),
    fallback: '5m',
    meaning: 'how long, at most, nobody of a group is called inactive after most of it fell silent at once',
  }),
  stuckAfterMs: option({
    env: 'STUCK_AFTER',
    flag: '--stuck-after',
    argument: '<duration>',
    kind: kinds.durationMs({ maxMs: 30 * 24 * 3_600_000 }),
    fallback: '5m',
    meaning: 'a worker is marked stuck when a running task that tells its progress made none for so long; 0 = never',
  }),
  targetHeartbeatsPerS: option({
    env: 'HEARTBEAT_RATE_TARGET',
    flag: '--heartbeat-rate-target',
    argument: '<n>',
    // Below half of what one core takes over streams, so that a fleet of 25,000 keeps its 5 s.
    kind: kinds.count({ min: 1, max: 1_000_000 }),
    fallback: '5000',
    meaning: 'heartbeats a second of the whole fleet above which workers are told to send less often',
  }),
  admission: option({
    env: 'ADMISSION',
    flag: '--admission',
    argument: '<mode>',
    kind: kinds.choice('open', 'approved'),
    fallback: 'open',
    meaning: 'open: a first heartbeat admits a worker; approved: an operator does',
  }),
  dataDir: option({
    env: 'DATA_DIR',
    flag: '--data-dir',
    argument: '<folder>',
    kind: kinds.text,
    fallback: './data',
    meaning:
      'what must survive a restart: who is in the fleet, approvals, addresses, decided isolation, last values; for one master alone',
  }),
  corsOrigins: option({
    env: 'CORS_ORIGINS',
    flag: '--cors-origins',
    argument: '<origins>',
    kind: kinds.origins,
    fallback: '',
    meaning: 'browser origins that may read the API, separated by commas; none by default',
  }),
  allowedHosts: option({
    env: 'ALLOWED_HOSTS',
    flag: '--allowed-hosts',
    argument: '<names>',
    kind: kinds.hostNames,
    fallback: '',
    meaning:
      'host names under which the API may be asked, without port, separated by commas; on loopback, its names always are',
  }),
  apiTokens: option<readonly ApiToken[] | undefined>({
    env: 'API_TOKENS',
    flag: '',
    argument: '',
    kind: kinds.apiTokens,
    fallback: undefined,
    meaning:
      'who may use the API: "<name> <scopes> sha256:<hash of the token>", separated by semicolons, with the scopes read ' +
      'or operate; without any token anybody may read, and change things from this machine',
  }),
  apiTokensFile: option<string | undefined>({
    env: 'API_TOKENS_FILE',
    flag: '--api-tokens-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'more of them, one on each line, as "pulselane token create" writes them; read again on SIGHUP',
  }),
  requireAuth: option({
    env: 'REQUIRE_AUTH',
    flag: '--require-auth',
    argument: '',
    kind: kinds.onOff,
    fallback: 'false',
    meaning: 'refuses to start where a port can be reached from other machines and asks nobody who they are',
  }),
  httpClientCert: option({
    env: 'HTTP_CLIENT_CERT',
    flag: '--http-client-cert',
    argument: '<mode>',
    kind: kinds.choice('required', 'off'),
    fallback: 'required',
    meaning:
      'with TLS_CLIENT_CA, whether HTTP clients must show a certificate, as workers must; off: a token is enough',
  }),
  maxHttpConnections: option({
    env: 'MAX_HTTP_CONNECTIONS',
    flag: '--max-http-connections',
    argument: '<n>',
    // Twice the live clients; half of the 8,192 files that a service is usually allowed.
    kind: kinds.count({ min: 1, max: 1_000_000 }),
    fallback: '4096',
    meaning: 'most HTTP connections at a time',
  }),
  maxPeerHttpConnections: option({
    env: 'MAX_HTTP_CONNECTIONS_PER_PEER',
    flag: '--max-http-connections-per-peer',
    argument: '<n>',
    // A proxy that carries the 1,000 live clients that are aimed at is one peer. Fewer than MAX_LIVE_CLIENTS: whoever takes
    // all of these leaves a quarter of the streams for the others.
    kind: kinds.count({ min: 1, max: 1_000_000 }),
    fallback: '1500',
    meaning: 'the same of one address; of IPv6, of one /64 network',
  }),
  maxLiveClients: option({
    env: 'MAX_LIVE_CLIENTS',
    flag: '--max-live-clients',
    argument: '<n>',
    // Twice the 1,000 that are aimed at on two cores.
    kind: kinds.count({ min: 0, max: 1_000_000 }),
    fallback: '2000',
    meaning: 'most live streams at a time, WebSocket and SSE together',
  }),
  maxHttpHeaderBytes: option({
    env: 'MAX_HTTP_HEADER_SIZE',
    flag: '--max-http-header-size',
    argument: '<size>',
    // Node's own default. The longest id, percent-encoded, is 768 bytes; cookies of other ports of localhost come along.
    kind: kinds.sizeBytes({ minBytes: 4096, maxBytes: 256 * 1024 }),
    fallback: '16KiB',
    meaning: 'most headers of one HTTP request',
  }),
  maxHttpBodyBytes: option({
    env: 'MAX_HTTP_BODY_SIZE',
    flag: '--max-http-body-size',
    argument: '<size>',
    // What the API takes is far below 1 KiB.
    kind: kinds.sizeBytes({ minBytes: 1024, maxBytes: 16 * MIB }),
    fallback: '64KiB',
    meaning: 'largest body of an HTTP request',
  }),
  httpRequestTimeoutMs: option({
    env: 'HTTP_REQUEST_TIMEOUT',
    flag: '--http-request-timeout',
    argument: '<duration>',
    // 64 KiB take 10 s on the slowest line that anybody has.
    kind: kinds.durationMs({ minMs: 1000, maxMs: 600_000 }),
    fallback: '30s',
    meaning: 'from the first byte of an HTTP request to its last one',
  }),
  maxPeerHttpRequestsPerS: option({
    env: 'API_RATE',
    flag: '--api-rate',
    argument: '<n>',
    // A script that asks for each of 10,000 workers every 10 s; some twentieth of what the API answers.
    kind: kinds.count({ min: 0, max: 1_000_000 }),
    fallback: '1000',
    meaning: 'most HTTP requests a second from one address; 0 = no limit; this very machine has none',
  }),
  maxMessageBytes: option({
    env: 'MAX_MESSAGE_SIZE',
    flag: '--max-message-size',
    argument: '<size>',
    // 4 MiB hold 10,000 running tasks; above 64 MiB a single heartbeat would starve the gRPC front.
    kind: kinds.sizeBytes({ minBytes: 1024, maxBytes: 64 * MIB }),
    fallback: '4MiB',
    meaning: 'largest message that a worker may send',
  }),
  maxRecordBytes: option({
    env: 'MAX_RECORD_SIZE',
    flag: '--max-record-size',
    argument: '<size>',
    // Twice the largest message: the names of JSON's members make a task twice as long as it is on the wire.
    kind: kinds.sizeBytes({ minBytes: 4096, maxBytes: 128 * MIB }),
    fallback: '8MiB',
    meaning: 'largest record of a worker, as JSON; a heartbeat that would make a larger one is rejected',
  }),
  recordMemoryBytes: option({
    env: 'RECORD_MEMORY',
    flag: '--record-memory',
    argument: '<size>',
    // See engine/workers/record-memory.ts: half of what the budget of lanes leaves to things that grow with the fleet.
    kind: kinds.sizeBytesOrAuto({ minBytes: MIB, maxBytes: 64 * 1024 * MIB }),
    fallback: 'auto',
    meaning:
      'memory for all records and heartbeats on their way, beyond some 25 KB for each worker; the largest are refused ' +
      'first; auto: an eighth of the memory, from 64MiB to 512MiB',
  }),
  maxWorkers: option({
    env: 'MAX_WORKERS',
    flag: '--max-workers',
    argument: '<n>',
    // The board is allocated for all of them at start: 128 bytes each.
    kind: kinds.count({ min: 1, max: 1_000_000 }),
    fallback: '20000',
    meaning: 'most workers known at a time',
  }),
  tlsCert: option<string | undefined>({
    env: 'TLS_CERT',
    flag: '--tls-cert',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'certificate of this master, with those that lead to its authority: all is encrypted then; with TLS_KEY',
  }),
  tlsKey: option<string | undefined>({
    env: 'TLS_KEY',
    flag: '--tls-key',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'private key of that certificate, without a passphrase',
  }),
  tlsClientCa: option<string | undefined>({
    env: 'TLS_CLIENT_CA',
    flag: '--tls-client-ca',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'authorities by whose certificates clients are known; see WORKER_AUTH',
  }),
  workerTokensFile: option<string | undefined>({
    env: 'WORKER_TOKENS_FILE',
    flag: '--worker-tokens-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'hashes of the tokens by which workers are known, as "pulselane token create" writes them',
  }),
  workerAuth: option({
    env: 'WORKER_AUTH',
    flag: '--worker-auth',
    argument: '<mode>',
    kind: kinds.choice('auto', 'off'),
    fallback: 'auto',
    meaning:
      'auto: with WORKER_TOKENS_FILE or TLS_CLIENT_CA a worker must prove who it is, and speaks for nobody else; off: ' +
      'any worker may speak for any',
  }),
  grpcReflection: option({
    env: 'GRPC_REFLECTION',
    flag: '--grpc-reflection',
    argument: '<true|false>',
    kind: kinds.trueFalse,
    fallback: 'true',
    meaning: 'whether generic gRPC tools may ask which services there are',
  }),
  maxGrpcConnections: option({
    env: 'MAX_GRPC_CONNECTIONS',
    flag: '--max-grpc-connections',
    argument: '<n>',
    // 10,000 agents with one each, as many again that their machines have lost and keepalive has not found yet, and
    // some room; an idle one costs the master about 30 kB.
    kind: kinds.count({ min: 1, max: 1_000_000 }),
    fallback: '25000',
    meaning: 'most gRPC connections at a time',
  }),
  maxPeerGrpcConnections: option({
    env: 'MAX_GRPC_CONNECTIONS_PER_PEER',
    flag: '--max-grpc-connections-per-peer',
    argument: '<n>',
    // One NAT may stand before a fleet of 10,000; whoever takes all of these leaves more than half for the others.
    kind: kinds.count({ min: 1, max: 1_000_000 }),
    fallback: '12000',
    meaning: 'the same of one address; of IPv6, of one /64 network',
  }),
  maxStreamsPerConnection: option({
    env: 'MAX_STREAMS_PER_CONNECTION',
    flag: '--max-streams-per-connection',
    argument: '<n>',
    // An agent needs two. A proxy that carries a fleet of 10,000 opens some connections more, as HTTP/2 wants it.
    kind: kinds.count({ min: 2, max: 100_000 }),
    fallback: '1000',
    meaning: 'most calls under way on one gRPC connection',
  }),
  maxMetadataBytes: option({
    env: 'MAX_METADATA_SIZE',
    flag: '--max-metadata-size',
    argument: '<size>',
    // The usual limit of gRPC. A stream keeps its metadata for as long as it lives: 10,000 of them 80 MiB at the most,
    // and not the 640 MiB that the 64 KiB of HTTP/2 would allow.
    kind: kinds.sizeBytes({ minBytes: 512, maxBytes: 64 * 1024 }),
    fallback: '8KiB',
    meaning: 'most metadata of one gRPC call',
  }),
  grpcHandshakeMs: option({
    env: 'GRPC_HANDSHAKE_TIMEOUT',
    flag: '--grpc-handshake-timeout',
    argument: '<duration>',
    // Whoever means it speaks within a round trip or two; a line that loses packets takes a few seconds.
    kind: kinds.durationMs({ minMs: 100, maxMs: 600_000 }),
    fallback: '10s',
    meaning: 'a gRPC connection that has not begun to speak TLS and HTTP/2 after this is closed',
  }),
  maxWorkerHeartbeatsPerS: option({
    env: 'MAX_HEARTBEAT_RATE',
    flag: '--max-heartbeat-rate',
    argument: '<n>',
    // Ten times what the shortest interval of 100 ms makes.
    kind: kinds.count({ min: 0, max: 1_000_000 }),
    fallback: '100',
    meaning: 'most heartbeats a second of one worker; 0 = no limit',
  }),
  maxPeerHeartbeatsPerS: option({
    env: 'MAX_PEER_HEARTBEAT_RATE',
    flag: '--max-peer-heartbeat-rate',
    argument: '<n>',
    // A NAT before 10,000 workers: 2,000 a second at 5 s, and all of them within a second when the master is back.
    kind: kinds.count({ min: 0, max: 10_000_000 }),
    fallback: '20000',
    meaning: 'most heartbeats a second from one address; of IPv6, from one /64 network; 0 = no limit',
  }),
  maxWorkerRegistersPerS: option({
    env: 'MAX_REGISTER_RATE',
    flag: '--max-register-rate',
    argument: '<n>',
    // Each is decoded on main and is a message to every reader. A process that ends at its start and is started again at
    // once begins every second or so; ten at once are a person who tries something.
    kind: kinds.count({ min: 0, max: 1000 }),
    fallback: '1',
    meaning:
      'most changes a second of one worker (registers with other info, or deregisters), ten at once; 0 = no limit; ' +
      'to register again as before is no change',
  }),
  maxPeerCallsPerS: option({
    env: 'MAX_PEER_CALL_RATE',
    flag: '--max-peer-call-rate',
    argument: '<n>',
    // 24 seconds' worth may come at once: two calls of each of the 12,000 connections that one address may have, all of
    // which come back when the master does. Beyond that, 1,000 KiB of registrations keep main busy for a sixteenth of
    // its time.
    kind: kinds.count({ min: 0, max: 1_000_000 }),
    fallback: '1000',
    meaning:
      'most gRPC calls a second from one address that are no heartbeats, 24 seconds’ worth at once; of registrations ' +
      'each begun KiB counts; 0 = no limit',
  }),
  maxPending: option({
    env: 'MAX_PENDING',
    flag: '--max-pending',
    argument: '<n>',
    kind: kinds.count({ min: 0, max: 100_000 }),
    fallback: '1000',
    meaning: 'most unknown workers remembered while they wait for approval; the oldest gives way',
  }),
  maxDedicatedLanes: option({
    env: 'MAX_DEDICATED_LANES',
    flag: '--max-dedicated-lanes',
    argument: '<n>',
    kind: kinds.countAutoOrAll({ min: 0, max: 30_000 }),
    fallback: 'auto',
    meaning:
      'most workers with a thread of their own; the rest share; auto: 32 for each core, 64 at least, if the machine ' +
      'carries them; all: one each, whatever it costs; the start tells what holds and why',
  }),
  sharedLanes: option({
    env: 'SHARED_LANES',
    flag: '--shared-lanes',
    argument: '<n>',
    kind: kinds.countOrAuto({ min: 1, max: 64 }),
    fallback: 'auto',
    meaning: 'threads for workers without one of their own; auto: one for every two cores, 1 to 8',
  }),
  laneDepth: option({
    env: 'LANE_DEPTH',
    flag: '--lane-depth',
    argument: '<n>',
    // Enough to ride out a lane's restart at one heartbeat in 5 s; times 4 MiB it is also the memory at stake.
    kind: kinds.count({ min: 1, max: 1024 }),
    fallback: '16',
    meaning: 'heartbeats per worker on their way to its lane; beyond it the newest replaces the one that waits',
  }),
  laneHeapMib: option({
    env: 'LANE_HEAP',
    flag: '--lane-heap',
    argument: '<MiB>',
    // A cap, not a reservation. The largest accepted heartbeat must fit in, decoded and as JSON: 4 MiB of 50,000 tasks
    // were seen to fit in 40 MiB; three times that leaves room for a collector that is late.
    kind: kinds.count({ min: 16, max: 4096 }),
    fallback: '128',
    meaning:
      'heap limit of a dedicated lane, in MiB, taken only when needed; a shared lane has four times as much; ' +
      'raise it along with MAX_MESSAGE_SIZE',
  }),
  laneOffHeapMib: option({
    env: 'LANE_OFF_HEAP',
    flag: '--lane-off-heap',
    argument: '<MiB>',
    // The lane's own part are the heartbeats that wait in its port: by default 16 of at most 4 MiB, so half of this.
    kind: kinds.count({ min: 128, max: 16_384 }),
    fallback: '128',
    meaning:
      'limit of a dedicated lane’s memory outside the heap (a processor’s buffers, shared or not), in MiB; a shared lane has four ' +
      'times as much; raise it along with MAX_MESSAGE_SIZE and LANE_DEPTH',
  }),
  maxResidentMib: option({
    env: 'MAX_RESIDENT',
    flag: '--max-resident',
    argument: '<MiB>',
    // Below this the master alone may be above it.
    kind: kinds.countOrAuto({ min: 256, max: 16_777_216 }),
    fallback: 'auto',
    meaning:
      'memory of the whole process, in MiB, at which a lane is ended whose processor made it grow; ' +
      'auto: nine tenths of what machine and control groups have',
  }),
  laneStallMs: option({
    env: 'LANE_STALL',
    flag: '--lane-stall',
    argument: '<duration>',
    // Below half a second a machine that is merely busy looks stuck.
    kind: kinds.durationMs({ minMs: 500, maxMs: 3_600_000 }),
    fallback: '2s',
    meaning: 'a lane that makes no progress for so long is ended and started again',
  }),
  laneBudgetMs: option({
    env: 'LANE_BUDGET',
    flag: '--lane-budget',
    argument: '<duration>',
    // A tenth: whoever takes it keeps all others waiting for as long. A worker that sends every 5 s would have to take half
    // a second for each heartbeat, a thousand times what decoding takes.
    kind: kinds.durationMs({ minMs: 10, maxMs: 10_000 }),
    fallback: '1s',
    meaning: 'a worker for whom a processor takes so long of a shared lane’s 10 s is moved to another lane',
  }),
  laneQuarantineMs: option({
    env: 'LANE_QUARANTINE',
    flag: '--lane-quarantine',
    argument: '<duration>',
    kind: kinds.durationMs({ minMs: 1000 }),
    fallback: '5m',
    meaning: 'a worker that ends its lane 5 times within a minute gets no other for so long',
  }),
  processor: option<string | undefined>({
    env: 'PROCESSOR',
    flag: '--processor',
    argument: '<file.mjs>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'ES module whose default export looks at each heartbeat: it may derive metrics from it, or reject it',
  }),
  logLevel,
} as const satisfies Options;

export const agentOptions = {
  masters: option<readonly kinds.Address[] | undefined>({
    env: 'MASTER_ADDRESS',
    flag: '--master',
    argument: '<host:port,…>',
    kind: kinds.peerAddresses,
    fallback: undefined,
    meaning:
      'the master to report to, or several separated by commas: when one is lost the next is tried; ' +
      'may be left out if --listen is given',
  }),
  workerId: option({
    env: 'WORKER_ID',
    flag: '--id',
    argument: '<id>',
    kind: kinds.text,
    fallback: hostname(),
    fallbackShown: 'the host name',
    meaning: 'this worker’s id',
  }),
  listen: option<kinds.Address | undefined>({
    env: 'AGENT_LISTEN',
    flag: '--listen',
    argument: '<address>',
    kind: kinds.listenAddress,
    fallback: undefined,
    meaning: 'where a master’s "register <id> <ip:port>" can reach this agent; nowhere by default',
  }),
  listenTlsCert: option<string | undefined>({
    env: 'AGENT_LISTEN_TLS_CERT',
    flag: '--listen-tls-cert',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'certificate of this agent where it listens: masters call it by "register <id> tls://<ip:port>" then',
  }),
  listenTlsKey: option<string | undefined>({
    env: 'AGENT_LISTEN_TLS_KEY',
    flag: '--listen-tls-key',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'private key of that certificate, without a passphrase',
  }),
  listenTlsClientCa: option<string | undefined>({
    env: 'AGENT_LISTEN_TLS_CLIENT_CA',
    flag: '--listen-tls-client-ca',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'authorities of the masters that may call where this agent listens; default: any master may',
  }),
  intervalMs: { ...heartbeatIntervalMs, meaning: 'how often to send until the master says otherwise' },
  labels: option({
    env: 'WORKER_LABELS',
    flag: '--labels',
    argument: '<name=value,…>',
    kind: kinds.labels,
    fallback: '',
    meaning: 'labels of this worker, separated by commas',
  }),
  group: option({
    env: 'WORKER_GROUP',
    flag: '--group',
    argument: '<name>',
    kind: kinds.text,
    fallback: '',
    meaning: 'workers that may fail together, such as those of a rack',
  }),
  ephemeral: option({
    env: 'WORKER_EPHEMERAL',
    flag: '--ephemeral',
    argument: '',
    kind: kinds.onOff,
    fallback: 'false',
    meaning: 'marks a short-lived worker, which is forgotten soon after it falls silent',
  }),
  isolate: option({
    env: 'WORKER_ISOLATE',
    flag: '--isolate',
    argument: '',
    kind: kinds.onOff,
    fallback: 'false',
    meaning: 'asks the master for a thread of its own; sets the label pulselane.isolation=dedicated',
  }),
  gpuToolPath: option({
    env: 'GPU_TOOL_PATH',
    flag: '--gpu-tool-path',
    argument: '<folder:…>',
    kind: kinds.text,
    fallback: '',
    meaning:
      'folders in which nvidia-smi, amd-smi, rocm-smi and xpu-smi are looked for first; then those of PATH and known ones',
  }),
  tls: option({
    env: 'MASTER_TLS',
    flag: '--tls',
    argument: '',
    kind: kinds.onOff,
    fallback: 'false',
    meaning: 'speaks TLS with the master; each of the three files below means the same',
  }),
  tlsCa: option<string | undefined>({
    env: 'MASTER_TLS_CA',
    flag: '--tls-ca',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'authorities of the master’s certificate; default: those that Node comes with',
  }),
  tlsCert: option<string | undefined>({
    env: 'MASTER_TLS_CERT',
    flag: '--tls-cert',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'certificate by which the master knows this worker; with MASTER_TLS_KEY',
  }),
  tlsKey: option<string | undefined>({
    env: 'MASTER_TLS_KEY',
    flag: '--tls-key',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'private key of that certificate',
  }),
  token: option<string | undefined>({
    env: 'WORKER_TOKEN',
    flag: '',
    argument: '',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'token by which the master knows this worker',
  }),
  tokenFile: option<string | undefined>({
    env: 'WORKER_TOKEN_FILE',
    flag: '--token-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'file that holds that token alone, read again for each connection; instead of WORKER_TOKEN',
  }),
  logLevel,
} as const satisfies Options;

export const clientOptions = {
  url: option({
    env: 'PULSELANE_URL',
    flag: '--url',
    argument: '<url>',
    kind: kinds.url,
    fallback: 'http://127.0.0.1:8080',
    meaning: 'HTTP API of the master',
  }),
  token: option<string | undefined>({
    env: 'PULSELANE_TOKEN',
    flag: '',
    argument: '',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'token for the API, where the master asks for one',
  }),
  tokenFile: option<string | undefined>({
    env: 'PULSELANE_TOKEN_FILE',
    flag: '--token-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'file that holds that token alone; wins over PULSELANE_TOKEN',
  }),
  tlsCa: option<string | undefined>({
    env: 'PULSELANE_TLS_CA',
    flag: '--tls-ca',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'for https: authorities of the master’s certificate; default: those that Node comes with',
  }),
  tlsCert: option<string | undefined>({
    env: 'PULSELANE_TLS_CERT',
    flag: '--tls-cert',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'for https: certificate to show a master that asks for one; with PULSELANE_TLS_KEY',
  }),
  tlsKey: option<string | undefined>({
    env: 'PULSELANE_TLS_KEY',
    flag: '--tls-key',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'private key of that certificate, without a passphrase',
  }),
} as const satisfies Options;

/** Of `pulselane token create`. */
export const tokenOptions = {
  workerTokensFile: masterOptions.workerTokensFile,
  apiTokensFile: masterOptions.apiTokensFile,
} as const satisfies Options;

export type MasterConfig = ValuesOf<typeof masterOptions>;
export type AgentConfig = ValuesOf<typeof agentOptions>;
export type ClientConfig = ValuesOf<typeof clientOptions>;
