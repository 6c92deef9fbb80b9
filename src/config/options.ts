/**
 * All settings: variable, flag, kind, default and meaning. Parsing, validation, `--help` and the tables in
 * docs/configuration.md are derived from here. Precedence: flag, environment, `.env`, default.
 */
import { hostname } from 'node:os';
import { LOG_LEVELS } from '../lib/logging.ts';
import type { ApiToken } from '../lib/tokens.ts';
import { publicUrl, timeZone } from './alert-kinds.ts';
import { databaseUrl } from './database-url.ts';
import * as kinds from './kinds.ts';
import { otlpEndpoint, otlpHeaders, otlpSignals, resourceAttributes } from './otlp-kinds.ts';
import { bearerToken, familyNames, receiverUrl, requestHeaders, seriesLabels } from './receiver-kinds.ts';
import { type SeriesPattern, seriesPatterns } from './series-patterns.ts';
import type { SettingNames } from './setting-names.ts';

export interface Option<T> {
  readonly env: string;
  /** Empty for secrets: every user of the machine can read a process's command line. */
  readonly flag: string;
  /** Placeholder of the value in `--help`; empty for switches. */
  readonly argument: string;
  readonly kind: kinds.Kind<T>;
  /** Default, as a user would write it; undefined if there is none. */
  readonly fallback: string | undefined;
  /** Shown instead of a default that differs between machines. */
  readonly fallbackShown?: string;
  readonly meaning: string;
}

export type Options = Readonly<Record<string, Option<unknown>>>;
export type ValuesOf<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

function option<T>(spec: Option<T>): Option<T> {
  return spec;
}

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

const logLevel = option({
  env: 'LOG_LEVEL',
  flag: '--log-level',
  argument: '<level>',
  kind: kinds.choice(...LOG_LEVELS),
  fallback: 'info',
  meaning: `minimum level of log messages: ${LOG_LEVELS.join(', ')}`,
});

const heartbeatIntervalMs = option({
  env: 'HEARTBEAT_INTERVAL',
  flag: '--heartbeat-interval',
  argument: '<duration>',
  // Below 100 ms the measuring itself is most of the load; above an hour no timeout makes sense.
  kind: kinds.durationMs({ minMs: 100, maxMs: 3_600_000 }),
  fallback: '5s',
  meaning: 'how often workers send heartbeats; the master sends this value to them',
});

const hubSocketOption = option<string | undefined>({
  env: 'PULSELANE_SOCKET',
  flag: '--socket',
  argument: '<path|off>',
  kind: kinds.text,
  fallback: undefined,
  meaning:
    'Unix socket by which programs of this machine report tasks and metrics to the agent; off: none; default: /run/pulselane/agent.sock, or pulselane-agent.sock in XDG_RUNTIME_DIR, where there is such a directory',
});

export const masterOptions = {
  httpAddress: option({
    env: 'HTTP_PORT',
    flag: '--http-port',
    argument: '<address>',
    kind: kinds.listenAddressOrOff,
    fallback: '127.0.0.1:8080',
    meaning: 'address of the HTTP API: 127.0.0.1:8080, [::1]:8080, 8080 (loopback), :8080 (all interfaces), or off',
  }),
  grpcAddress: option({
    env: 'GRPC_PORT',
    flag: '--grpc-port',
    argument: '<address>',
    kind: kinds.listenAddress,
    fallback: '127.0.0.1:50051',
    meaning: 'address of the gRPC server that workers send to; same forms as HTTP_PORT, except off',
  }),
  advertiseAddress: option<kinds.Address | undefined>({
    env: 'ADVERTISE_ADDRESS',
    flag: '--advertise-address',
    argument: '<host:port>',
    kind: kinds.peerAddress,
    fallback: undefined,
    meaning:
      'address that workers use to reach this master, sent to agents by "register <id> <ip:port>"; default: the gRPC address',
  }),
  introduceTlsCa: option<string | undefined>({
    env: 'INTRODUCE_TLS_CA',
    flag: '--introduce-tls-ca',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning:
      'CA certificates to verify an agent that "register <id> tls://<ip:port>" connects to; default: the CAs built into Node; the master presents TLS_CERT as its client certificate',
  }),
  heartbeatIntervalMs,
  inactivityTimeoutMs: option({
    env: 'INACTIVITY_TIMEOUT',
    flag: '--inactivity-timeout',
    argument: '<duration>',
    kind: kinds.durationMs({ minMs: 200 }),
    fallback: '30s',
    meaning: 'a worker is inactive after this long without a heartbeat; at least twice HEARTBEAT_INTERVAL',
  }),
  retentionMs: option({
    env: 'RETENTION',
    flag: '--retention',
    argument: '<duration>',
    kind: kinds.durationMs({ maxMs: 10 * 365 * 24 * 3_600_000 }),
    fallback: '24h',
    meaning: 'a worker is removed after this long without a heartbeat; 0 = never',
  }),
  ephemeralRetentionMs: option({
    env: 'EPHEMERAL_RETENTION',
    flag: '--ephemeral-retention',
    argument: '<duration>',
    kind: kinds.durationMs({ maxMs: 10 * 365 * 24 * 3_600_000 }),
    fallback: '10m',
    meaning: 'RETENTION for workers registered as ephemeral; 0 = same as RETENTION',
  }),
  restartGraceMs: option({
    env: 'RESTART_GRACE',
    flag: '--restart-grace',
    argument: '<duration>',
    // liveness.ts raises a lower value: a healthy agent may need that long to reconnect.
    kind: kinds.durationMs({ maxMs: 3_600_000 }),
    fallback: '60s',
    meaning:
      'after a restart, how long the master waits for known workers to reconnect before it marks any of them inactive; raised to INACTIVITY_TIMEOUT plus two heartbeat intervals plus 10 s if shorter',
  }),
  brakeMaxHoldMs: option({
    env: 'BRAKE_MAX_HOLD',
    flag: '--brake-max-hold',
    argument: '<duration>',
    kind: kinds.durationMs({ maxMs: 24 * 3_600_000 }),
    fallback: '5m',
    meaning:
      'when most workers of a group go silent at the same time, the master suspects the network and marks none of them inactive, for at most this long',
  }),
  stuckAfterMs: option({
    env: 'STUCK_AFTER',
    flag: '--stuck-after',
    argument: '<duration>',
    kind: kinds.durationMs({ maxMs: 30 * 24 * 3_600_000 }),
    fallback: '5m',
    meaning: 'a worker is marked stuck when a running task reports the same progress for this long; 0 = never',
  }),
  targetHeartbeatsPerS: option({
    env: 'HEARTBEAT_RATE_TARGET',
    flag: '--heartbeat-rate-target',
    argument: '<n>',
    // Less than half of what one core handles over streams; a fleet of 25,000 keeps its 5 s interval.
    kind: kinds.count({ min: 1, max: 1_000_000 }),
    fallback: '5000',
    meaning: 'heartbeats per second of the whole fleet; above it the master tells workers to send less often',
  }),
  admission: option({
    env: 'ADMISSION',
    flag: '--admission',
    argument: '<mode>',
    kind: kinds.choice('open', 'approved'),
    fallback: 'open',
    meaning: 'open: a worker is admitted with its first heartbeat; approved: an operator must approve it first',
  }),
  dataDir: option({
    env: 'DATA_DIR',
    flag: '--data-dir',
    argument: '<folder>',
    kind: kinds.text,
    fallback: './data',
    meaning:
      'directory for state that survives a restart (known workers, approvals, addresses, isolation, last values, history); two masters cannot share it',
  }),
  history: option({
    env: 'HISTORY',
    flag: '--history',
    argument: '<on|off>',
    kind: kinds.choice('on', 'off'),
    fallback: 'on',
    meaning: 'on: heartbeats, events and task runs are kept in a database; off: nothing is kept of the past',
  }),
  databaseUrl: option<string | undefined>({
    env: 'DATABASE_URL',
    flag: '',
    argument: '',
    kind: databaseUrl,
    fallback: undefined,
    meaning:
      'PostgreSQL database for history, such as postgres://user:password@host:5432/database; default: SQLite, in the file history.db in DATA_DIR',
  }),
  databaseUrlFile: option<string | undefined>({
    env: 'DATABASE_URL_FILE',
    flag: '--database-url-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'file that contains only the URL of DATABASE_URL; cannot be combined with DATABASE_URL',
  }),
  historyRawMs: option({
    env: 'HISTORY_RAW',
    flag: '--history-raw',
    argument: '<duration>',
    // Samples are sealed by the hour; a hundred years are no limit in practice, and as milliseconds are exact.
    kind: kinds.durationMs({ minMs: HOUR_MS, maxMs: 100 * YEAR_MS }),
    fallback: '24h',
    meaning: 'how long each heartbeat’s values are kept',
  }),
  historyMinuteMs: option({
    env: 'HISTORY_1M',
    flag: '--history-1m',
    argument: '<duration>',
    kind: kinds.durationMs({ minMs: HOUR_MS, maxMs: 100 * YEAR_MS }),
    fallback: '30d',
    meaning: 'how long min, max, mean, last and count of each minute are kept; raised to HISTORY_RAW if shorter',
  }),
  historyHourMs: option({
    env: 'HISTORY_1H',
    flag: '--history-1h',
    argument: '<duration>',
    kind: kinds.durationMs({ minMs: HOUR_MS, maxMs: 100 * YEAR_MS }),
    fallback: '2y',
    meaning:
      'how long min, max, mean, last and count of each hour, events and task runs are kept; raised to HISTORY_1M if shorter',
  }),
  historyMaxBytes: option({
    env: 'HISTORY_MAX_SIZE',
    flag: '--history-max-size',
    argument: '<size>',
    // Below 64 MiB, what must stay (rollups, names of workers) may already be more.
    kind: kinds.sizeBytesOrAuto({ minBytes: 64 * MIB, maxBytes: 1024 * 1024 * GIB }),
    fallback: 'auto',
    meaning:
      'maximum size of the database of history; when it is reached, the oldest values are deleted early; auto: 10GiB, or 20 % of the free disk space if that is less; with DATABASE_URL, auto is no limit',
  }),
  historyMetrics: option({
    env: 'HISTORY_METRICS',
    flag: '--history-metrics',
    argument: '<n>',
    // store/slot-ring.ts: the columns of the largest ring must fit into the smallest lane.
    kind: kinds.count({ min: 0, max: 256 }),
    fallback: '64',
    meaning: 'maximum number of custom metrics and metrics of GPUs per worker in history; its status names the others',
  }),
  ringTimeMs: option({
    env: 'RING_TIME',
    flag: '--ring-time',
    argument: '<duration>',
    // A day of a worker that sends every 5 s takes 1.2 MB; longer outages are what the spool is for.
    kind: kinds.durationMsOrAuto({ maxMs: 24 * HOUR_MS }),
    fallback: 'auto',
    meaning:
      'how long each heartbeat’s values stay in memory, from where they are stored and queries read the newest ones; at least 10s, 0 with HISTORY=off; auto: 1h, or 0 with HISTORY=off',
  }),
  ringSamples: option<number | undefined>({
    env: 'RING_SAMPLES',
    flag: '--ring-samples',
    argument: '<n>',
    kind: kinds.count({ min: 1, max: 1_000_000 }),
    fallback: undefined,
    meaning: 'replaced by RING_TIME: n samples count as n times HEARTBEAT_INTERVAL',
  }),
  ringMemory: option({
    env: 'RING_MEMORY',
    flag: '--ring-memory',
    argument: '<size|percent>',
    // Below 1 MiB, a fleet of 100 could not keep a minute.
    kind: kinds.sizeOrShare({ minBytes: MIB, maxBytes: 1024 * GIB }),
    fallback: '10%',
    meaning:
      'memory budget for the values of all workers that RING_TIME keeps: a size, or a share of the memory; when it does not suffice, all are kept for less time',
  }),
  historySpoolMaxBytes: option({
    env: 'HISTORY_SPOOL_MAX',
    flag: '--history-spool-max',
    argument: '<size>',
    // Hours of a fleet of 10,000, compressed; a disk that has room for history has room for that.
    kind: kinds.sizeBytes({ minBytes: MIB, maxBytes: 1024 * GIB }),
    fallback: '1GiB',
    meaning:
      'maximum size of the files in DATA_DIR that hold what came in while the database is away and the memory for it is full; what does not fit is lost and counted',
  }),
  alerts: option({
    env: 'ALERTS',
    flag: '--alerts',
    argument: '<on|off>',
    kind: kinds.choice('on', 'off'),
    fallback: 'on',
    meaning: 'on: alerting rules are evaluated, those of ALERT_RULES and the shipped ones; off: none are',
  }),
  alertRules: option<string | undefined>({
    env: 'ALERT_RULES',
    flag: '--alert-rules',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning:
      'YAML file of alerting rules, receivers and routes; reloaded on SIGHUP; default: the shipped rules, which write alerts to the log',
  }),
  alertCommands: option({
    env: 'ALERT_COMMANDS',
    flag: '--alert-commands',
    argument: '<on|off>',
    // Whoever can write the file of rules could otherwise run programs as the master.
    kind: kinds.choice('on', 'off'),
    fallback: 'off',
    meaning: 'on: receivers of ALERT_RULES may run commands on this machine',
  }),
  anomalies: option({
    env: 'ANOMALIES',
    flag: '--anomalies',
    argument: '<on|off>',
    kind: kinds.choice('on', 'off'),
    fallback: 'on',
    meaning: 'on: each sample of each metric is compared with what is usual for its worker; off: there are no scores',
  }),
  publicUrl: option<string | undefined>({
    env: 'PUBLIC_URL',
    flag: '--public-url',
    argument: '<url>',
    kind: publicUrl,
    fallback: undefined,
    meaning: 'base of the links in alerts, such as https://pulselane.example.org; default: the address of the HTTP API',
  }),
  timeZone: option<string | undefined>({
    env: 'TIME_ZONE',
    flag: '--time-zone',
    argument: '<zone>',
    kind: timeZone,
    fallback: undefined,
    meaning: 'time zone of mute times and of hours of the week, such as Europe/Berlin; default: that of this machine',
  }),
  corsOrigins: option({
    env: 'CORS_ORIGINS',
    flag: '--cors-origins',
    argument: '<origins>',
    kind: kinds.origins,
    fallback: '',
    meaning: 'origins whose web pages may call the API (CORS), separated by commas; default: none',
  }),
  metricsLabels: option({
    env: 'METRICS_LABELS',
    flag: '--metrics-labels',
    argument: '<names>',
    kind: kinds.labelNames,
    // Whatever a worker's labels are, they stand on one series of the worker. A worker has at most 64.
    fallback: '*',
    meaning:
      'labels of workers that stand on pulselane_worker_info, separated by commas; * stands for any text; empty: none',
  }),
  metricsMaxSeries: option({
    env: 'METRICS_MAX_SERIES',
    flag: '--metrics-max-series',
    argument: '<n>',
    // 20,000 workers with 20 custom metrics each. At about 80 bytes of text per series, as `GET /api/v1/limits` shows, an answer of 80 MB.
    kind: kinds.count({ min: 1, max: 20_000_000 }),
    fallback: '1000000',
    meaning:
      'maximum number of series of workers in one answer of /metrics, and in one round of remote write or OTLP; what does not fit is left out, on /metrics by whole families, custom metrics first, and counted',
  }),
  allowedHosts: option({
    env: 'ALLOWED_HOSTS',
    flag: '--allowed-hosts',
    argument: '<names>',
    kind: kinds.hostNames,
    fallback: '',
    meaning:
      'host names accepted in the Host header, without port, separated by commas; on loopback, loopback names are always accepted; default: on other addresses, any name is accepted',
  }),
  apiTokens: option<readonly ApiToken[] | undefined>({
    env: 'API_TOKENS',
    flag: '',
    argument: '',
    kind: kinds.apiTokens,
    fallback: undefined,
    meaning:
      'API tokens as "<name> <scopes> sha256:<hash>", separated by semicolons; scopes: read, operate; without tokens, anybody may read, and this machine may also make changes',
  }),
  apiTokensFile: option<string | undefined>({
    env: 'API_TOKENS_FILE',
    flag: '--api-tokens-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'file of further API tokens, one per line, written by "pulselane token create"; reloaded on SIGHUP',
  }),
  requireAuth: option({
    env: 'REQUIRE_AUTH',
    flag: '--require-auth',
    argument: '',
    kind: kinds.onOff,
    fallback: 'false',
    meaning: 'refuse to start if a port without authentication is reachable from other machines',
  }),
  httpClientCert: option({
    env: 'HTTP_CLIENT_CERT',
    flag: '--http-client-cert',
    argument: '<mode>',
    kind: kinds.choice('required', 'off'),
    fallback: 'required',
    meaning: 'required: with TLS_CLIENT_CA set, HTTP clients must present a certificate; off: an API token is enough',
  }),
  maxHttpConnections: option({
    env: 'MAX_HTTP_CONNECTIONS',
    flag: '--max-http-connections',
    argument: '<n>',
    // Twice MAX_LIVE_CLIENTS; half of 8,192, a usual open-files limit of services.
    kind: kinds.count({ min: 1, max: 1_000_000 }),
    fallback: '4096',
    meaning: 'maximum number of open HTTP connections',
  }),
  maxPeerHttpConnections: option({
    env: 'MAX_HTTP_CONNECTIONS_PER_PEER',
    flag: '--max-http-connections-per-peer',
    argument: '<n>',
    // A proxy in front of 1,000 live clients (the design target) is one peer. Less than MAX_LIVE_CLIENTS, so that one
    // peer leaves a quarter of the streams to others.
    kind: kinds.count({ min: 1, max: 1_000_000 }),
    fallback: '1500',
    meaning: 'maximum number of open HTTP connections per client address (IPv6: per /64 network)',
  }),
  maxLiveClients: option({
    env: 'MAX_LIVE_CLIENTS',
    flag: '--max-live-clients',
    argument: '<n>',
    // Twice the design target of 1,000 on two cores.
    kind: kinds.count({ min: 0, max: 1_000_000 }),
    fallback: '2000',
    meaning: 'maximum number of open live streams (WebSocket and SSE together)',
  }),
  maxHttpHeaderBytes: option({
    env: 'MAX_HTTP_HEADER_SIZE',
    flag: '--max-http-header-size',
    argument: '<size>',
    // Node's default. The longest id takes 768 bytes percent-encoded; browsers add cookies of other localhost ports.
    kind: kinds.sizeBytes({ minBytes: 4096, maxBytes: 256 * 1024 }),
    fallback: '16KiB',
    meaning: 'maximum size of the headers of one HTTP request',
  }),
  maxHttpBodyBytes: option({
    env: 'MAX_HTTP_BODY_SIZE',
    flag: '--max-http-body-size',
    argument: '<size>',
    // Bodies that the API accepts are far below 1 KiB.
    kind: kinds.sizeBytes({ minBytes: 1024, maxBytes: 16 * MIB }),
    fallback: '64KiB',
    meaning: 'maximum size of the body of one HTTP request',
  }),
  httpRequestTimeoutMs: option({
    env: 'HTTP_REQUEST_TIMEOUT',
    flag: '--http-request-timeout',
    argument: '<duration>',
    // 64 KiB take about 10 s at 50 kbit/s.
    kind: kinds.durationMs({ minMs: 1000, maxMs: 600_000 }),
    fallback: '30s',
    meaning: 'maximum time to receive one whole HTTP request',
  }),
  maxPeerHttpRequestsPerS: option({
    env: 'API_RATE',
    flag: '--api-rate',
    argument: '<n>',
    // A script that requests each of 10,000 workers every 10 s; about a twentieth of what the API can serve.
    kind: kinds.count({ min: 0, max: 1_000_000 }),
    fallback: '1000',
    meaning:
      'maximum HTTP requests per second per client address; requests from this machine are not limited; 0 = no limit',
  }),
  maxMessageBytes: option({
    env: 'MAX_MESSAGE_SIZE',
    flag: '--max-message-size',
    argument: '<size>',
    // 4 MiB hold 10,000 running tasks; above 64 MiB a single heartbeat would block the gRPC server.
    kind: kinds.sizeBytes({ minBytes: 1024, maxBytes: 64 * MIB }),
    fallback: '4MiB',
    meaning: 'maximum size of one message from a worker',
  }),
  maxRecordBytes: option({
    env: 'MAX_RECORD_SIZE',
    flag: '--max-record-size',
    argument: '<size>',
    // Twice MAX_MESSAGE_SIZE: member names make a task twice as long in JSON as in protobuf.
    kind: kinds.sizeBytes({ minBytes: 4096, maxBytes: 128 * MIB }),
    fallback: '8MiB',
    meaning: 'maximum size of a worker’s record as JSON; a heartbeat that would exceed it is rejected',
  }),
  recordMemoryBytes: option({
    env: 'RECORD_MEMORY',
    flag: '--record-memory',
    argument: '<size>',
    // engine/workers/record-memory.ts: half of the memory that the lanes' budget leaves for what grows with the fleet.
    kind: kinds.sizeBytesOrAuto({ minBytes: MIB, maxBytes: 64 * 1024 * MIB }),
    fallback: 'auto',
    meaning:
      'memory budget for worker records and queued heartbeats, on top of about 25 KB per worker; when it runs short, the largest heartbeats are rejected first; auto: 1/8 of the memory, between 64MiB and 512MiB',
  }),
  maxWorkers: option({
    env: 'MAX_WORKERS',
    flag: '--max-workers',
    argument: '<n>',
    // The board is allocated at start: 128 bytes per worker.
    kind: kinds.count({ min: 1, max: 1_000_000 }),
    fallback: '20000',
    meaning: 'maximum number of known workers',
  }),
  remoteWriteUrl: option<string | undefined>({
    env: 'REMOTE_WRITE_URL',
    flag: '--remote-write-url',
    argument: '<url>',
    kind: receiverUrl('http://prometheus:9090/api/v1/write'),
    fallback: undefined,
    meaning:
      'where to send all metrics by Prometheus remote write, such as http://host:9090/api/v1/write; default: nowhere',
  }),
  remoteWriteIntervalMs: option({
    env: 'REMOTE_WRITE_INTERVAL',
    flag: '--remote-write-interval',
    argument: '<duration>',
    // Queries look back 5 minutes by default: a longer interval would leave gaps.
    kind: kinds.durationMs({ minMs: 1000, maxMs: 300_000 }),
    // Most often used for scraping; three heartbeats.
    fallback: '15s',
    meaning: 'how often metrics are sent by remote write',
  }),
  remoteWriteVersion: option({
    env: 'REMOTE_WRITE_VERSION',
    flag: '--remote-write-version',
    argument: '<version>',
    kind: kinds.choice('auto', '2.0', '1.0'),
    fallback: 'auto',
    meaning: 'version of the remote-write protocol; auto: 2.0 if the receiver accepts it, else 1.0',
  }),
  remoteWriteUser: option<string | undefined>({
    env: 'REMOTE_WRITE_USER',
    flag: '--remote-write-user',
    argument: '<name>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'user name for basic authentication at REMOTE_WRITE_URL; requires REMOTE_WRITE_PASSWORD',
  }),
  remoteWritePassword: option<string | undefined>({
    env: 'REMOTE_WRITE_PASSWORD',
    flag: '',
    argument: '',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'password of REMOTE_WRITE_USER',
  }),
  remoteWritePasswordFile: option<string | undefined>({
    env: 'REMOTE_WRITE_PASSWORD_FILE',
    flag: '--remote-write-password-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'file that contains only the password of REMOTE_WRITE_USER; reloaded on SIGHUP',
  }),
  remoteWriteToken: option<string | undefined>({
    env: 'REMOTE_WRITE_TOKEN',
    flag: '',
    argument: '',
    kind: bearerToken,
    fallback: undefined,
    meaning: 'bearer token for REMOTE_WRITE_URL',
  }),
  remoteWriteTokenFile: option<string | undefined>({
    env: 'REMOTE_WRITE_TOKEN_FILE',
    flag: '--remote-write-token-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'file that contains only the bearer token of REMOTE_WRITE_TOKEN; reloaded on SIGHUP',
  }),
  remoteWriteHeaders: option<Readonly<Record<string, string>> | undefined>({
    env: 'REMOTE_WRITE_HEADERS',
    flag: '',
    argument: '',
    kind: requestHeaders,
    fallback: undefined,
    meaning:
      'further headers for REMOTE_WRITE_URL, such as X-Scope-OrgID=fleet, separated by commas; in values, %2C is a comma and %25 a percent sign',
  }),
  remoteWriteHeadersFile: option<string | undefined>({
    env: 'REMOTE_WRITE_HEADERS_FILE',
    flag: '--remote-write-headers-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'file that contains only the headers of REMOTE_WRITE_HEADERS; reloaded on SIGHUP',
  }),
  remoteWriteTlsCa: option<string | undefined>({
    env: 'REMOTE_WRITE_TLS_CA',
    flag: '--remote-write-tls-ca',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'CA certificates to verify REMOTE_WRITE_URL; default: the CAs built into Node',
  }),
  remoteWriteLabels: option({
    env: 'REMOTE_WRITE_LABELS',
    flag: '--remote-write-labels',
    argument: '<labels>',
    kind: seriesLabels,
    fallback: '',
    meaning: 'labels added to each series sent by remote write, such as cluster=eu,env=prod',
  }),
  remoteWriteFamilies: option({
    env: 'REMOTE_WRITE_FAMILIES',
    flag: '--remote-write-families',
    argument: '<names>',
    kind: familyNames,
    fallback: '*',
    meaning:
      'which metrics are sent by remote write, by their names in GET /metrics, separated by commas, with * for any text: pulselane_worker_*,process_*',
  }),
  otlpEndpoint: option<string | undefined>({
    env: 'OTLP_ENDPOINT',
    flag: '--otlp-endpoint',
    argument: '<url>',
    kind: otlpEndpoint,
    fallback: undefined,
    meaning:
      'where to send all metrics, and events as logs, by OTLP, such as http://collector:4317 (gRPC) or http://collector:4318 (HTTP; /v1/metrics and /v1/logs are appended); default: nowhere',
  }),
  otlpProtocol: option({
    env: 'OTLP_PROTOCOL',
    flag: '--otlp-protocol',
    argument: '<protocol>',
    kind: kinds.choice('auto', 'grpc', 'http/protobuf'),
    fallback: 'auto',
    meaning: 'how OTLP is sent; auto: grpc if OTLP_ENDPOINT has port 4317, else http/protobuf',
  }),
  otlpSignals: option({
    env: 'OTLP_SIGNALS',
    flag: '--otlp-signals',
    argument: '<signals>',
    kind: otlpSignals,
    fallback: 'metrics,logs',
    meaning: 'what is sent by OTLP: metrics, logs (events, such as a worker that becomes inactive), or both',
  }),
  otlpIntervalMs: option({
    env: 'OTLP_INTERVAL',
    flag: '--otlp-interval',
    argument: '<duration>',
    // As for remote write.
    kind: kinds.durationMs({ minMs: 1000, maxMs: 300_000 }),
    fallback: '15s',
    meaning: 'how often metrics are sent by OTLP; events are sent at once',
  }),
  otlpCompression: option({
    env: 'OTLP_COMPRESSION',
    flag: '--otlp-compression',
    argument: '<gzip|none>',
    kind: kinds.choice('gzip', 'none'),
    fallback: 'gzip',
    meaning: 'compression of what is sent by OTLP',
  }),
  otlpToken: option<string | undefined>({
    env: 'OTLP_TOKEN',
    flag: '',
    argument: '',
    kind: bearerToken,
    fallback: undefined,
    meaning: 'bearer token for OTLP_ENDPOINT',
  }),
  otlpTokenFile: option<string | undefined>({
    env: 'OTLP_TOKEN_FILE',
    flag: '--otlp-token-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'file that contains only the bearer token of OTLP_TOKEN; reloaded on SIGHUP',
  }),
  otlpHeaders: option<Readonly<Record<string, string>> | undefined>({
    env: 'OTLP_HEADERS',
    flag: '',
    argument: '',
    kind: otlpHeaders,
    fallback: undefined,
    meaning:
      'further headers for OTLP_ENDPOINT, such as api-key=abc, separated by commas; in values, %2C is a comma and %25 a percent sign',
  }),
  otlpHeadersFile: option<string | undefined>({
    env: 'OTLP_HEADERS_FILE',
    flag: '--otlp-headers-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'file that contains only the headers of OTLP_HEADERS; reloaded on SIGHUP',
  }),
  otlpTlsCa: option<string | undefined>({
    env: 'OTLP_TLS_CA',
    flag: '--otlp-tls-ca',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'CA certificates to verify OTLP_ENDPOINT; default: the CAs built into Node',
  }),
  otlpResourceAttributes: option({
    env: 'OTLP_RESOURCE_ATTRIBUTES',
    flag: '--otlp-resource-attributes',
    argument: '<attributes>',
    kind: resourceAttributes,
    fallback: '',
    meaning: 'attributes added to each resource sent by OTLP, such as deployment.environment.name=prod',
  }),
  otlpSemanticConventions: option({
    env: 'OTLP_SEMANTIC_CONVENTIONS',
    flag: '--otlp-semantic-conventions',
    argument: '<version>',
    // What src/metrics/export/otlp/conventions.ts knows.
    kind: kinds.choice('1.45.0', 'off'),
    fallback: '1.45.0',
    meaning:
      'version of the OpenTelemetry semantic conventions that names of metrics and attributes follow; off: names of Pulselane alone',
  }),
  otlpFamilies: option({
    env: 'OTLP_FAMILIES',
    flag: '--otlp-families',
    argument: '<names>',
    kind: familyNames,
    fallback: '*',
    meaning: 'which metrics are sent by OTLP, by their names in GET /metrics, separated by commas, with * for any text',
  }),
  exportQueueBytes: option({
    env: 'EXPORT_QUEUE',
    flag: '--export-queue',
    argument: '<size>',
    // A sample takes 16 bytes: an hour of 170,000 series every 15 s is 650 MB, one of 30,000 series 115 MB. Nothing older is sent.
    kind: kinds.sizeBytes({ minBytes: MIB, maxBytes: 64 * GIB }),
    fallback: '128MiB',
    meaning:
      'maximum memory for metrics that wait for one receiver, at 16 bytes per sample; when it is full, the oldest are dropped and counted',
  }),
  tlsCert: option<string | undefined>({
    env: 'TLS_CERT',
    flag: '--tls-cert',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'certificate chain of this master; enables TLS for HTTP and gRPC; requires TLS_KEY',
  }),
  tlsKey: option<string | undefined>({
    env: 'TLS_KEY',
    flag: '--tls-key',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'private key of TLS_CERT, without a passphrase',
  }),
  tlsClientCa: option<string | undefined>({
    env: 'TLS_CLIENT_CA',
    flag: '--tls-client-ca',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'CA certificates that client certificates must be signed by; see WORKER_AUTH and HTTP_CLIENT_CERT',
  }),
  workerTokensFile: option<string | undefined>({
    env: 'WORKER_TOKENS_FILE',
    flag: '--worker-tokens-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'file of worker tokens (hashes), written by "pulselane token create"; reloaded on SIGHUP',
  }),
  workerAuth: option({
    env: 'WORKER_AUTH',
    flag: '--worker-auth',
    argument: '<mode>',
    kind: kinds.choice('auto', 'off'),
    fallback: 'auto',
    meaning:
      'auto: with WORKER_TOKENS_FILE or TLS_CLIENT_CA set, workers must authenticate and may only report under their own id; off: any worker may report under any id',
  }),
  grpcReflection: option({
    env: 'GRPC_REFLECTION',
    flag: '--grpc-reflection',
    argument: '<true|false>',
    kind: kinds.trueFalse,
    fallback: 'true',
    meaning: 'serve gRPC reflection, which tools such as grpcurl use to list the services',
  }),
  maxGrpcConnections: option({
    env: 'MAX_GRPC_CONNECTIONS',
    flag: '--max-grpc-connections',
    argument: '<n>',
    // 10,000 agents with one connection each, as many dead ones that keepalive has not detected yet, and a reserve. An
    // idle connection costs the master about 30 kB.
    kind: kinds.count({ min: 1, max: 1_000_000 }),
    fallback: '25000',
    meaning: 'maximum number of open gRPC connections',
  }),
  maxPeerGrpcConnections: option({
    env: 'MAX_GRPC_CONNECTIONS_PER_PEER',
    flag: '--max-grpc-connections-per-peer',
    argument: '<n>',
    // One NAT may hide a fleet of 10,000. Less than half of MAX_GRPC_CONNECTIONS, so that one peer leaves the rest to others.
    kind: kinds.count({ min: 1, max: 1_000_000 }),
    fallback: '12000',
    meaning: 'maximum number of open gRPC connections per client address (IPv6: per /64 network)',
  }),
  maxStreamsPerConnection: option({
    env: 'MAX_STREAMS_PER_CONNECTION',
    flag: '--max-streams-per-connection',
    argument: '<n>',
    // An agent needs two. A proxy in front of 10,000 agents opens more connections when one is full, as HTTP/2 intends.
    kind: kinds.count({ min: 2, max: 100_000 }),
    fallback: '1000',
    meaning: 'maximum number of concurrent calls on one gRPC connection',
  }),
  maxMetadataBytes: option({
    env: 'MAX_METADATA_SIZE',
    flag: '--max-metadata-size',
    argument: '<size>',
    // gRPC's usual limit. A stream keeps its metadata until it ends: 10,000 streams keep at most 80 MiB, where HTTP/2's
    // 64 KiB would allow 640 MiB.
    kind: kinds.sizeBytes({ minBytes: 512, maxBytes: 64 * 1024 }),
    fallback: '8KiB',
    meaning: 'maximum size of the metadata of one gRPC call',
  }),
  grpcHandshakeMs: option({
    env: 'GRPC_HANDSHAKE_TIMEOUT',
    flag: '--grpc-handshake-timeout',
    argument: '<duration>',
    // A handshake takes one or two round trips; with packet loss, a few seconds.
    kind: kinds.durationMs({ minMs: 100, maxMs: 600_000 }),
    fallback: '10s',
    meaning: 'a new gRPC connection is closed if its TLS and HTTP/2 handshakes take longer than this',
  }),
  maxWorkerHeartbeatsPerS: option({
    env: 'MAX_HEARTBEAT_RATE',
    flag: '--max-heartbeat-rate',
    argument: '<n>',
    // Ten times the rate of the shortest interval, 100 ms.
    kind: kinds.count({ min: 0, max: 1_000_000 }),
    fallback: '100',
    meaning: 'maximum heartbeats per second per worker; 0 = no limit',
  }),
  maxPeerHeartbeatsPerS: option({
    env: 'MAX_PEER_HEARTBEAT_RATE',
    flag: '--max-peer-heartbeat-rate',
    argument: '<n>',
    // 10,000 workers behind one NAT send 2,000 per second at 5 s, and all within a second after a restart of the master.
    kind: kinds.count({ min: 0, max: 10_000_000 }),
    fallback: '20000',
    meaning: 'maximum heartbeats per second per client address (IPv6: per /64 network); 0 = no limit',
  }),
  maxWorkerRegistersPerS: option({
    env: 'MAX_REGISTER_RATE',
    flag: '--max-register-rate',
    argument: '<n>',
    // Main decodes each and posts it to every reader. A process in a crash loop registers about once a second; a person
    // trying things needs the burst of ten.
    kind: kinds.count({ min: 0, max: 1000 }),
    fallback: '1',
    meaning:
      'maximum registration changes per second per worker (registering with new info, or deregistering), in bursts of up to 10; registering again unchanged does not count; 0 = no limit',
  }),
  maxPeerCallsPerS: option({
    env: 'MAX_PEER_CALL_RATE',
    flag: '--max-peer-call-rate',
    argument: '<n>',
    // The burst of 24 s covers two calls on each of the 12,000 connections of one address, which all reconnect when the
    // master restarts. After it, 1,000 KiB of registrations per second take a sixteenth of main's time.
    kind: kinds.count({ min: 0, max: 1_000_000 }),
    fallback: '1000',
    meaning:
      'maximum gRPC calls per second per client address other than heartbeats, in bursts of up to 24 seconds’ worth; each KiB of a registration counts as one call; 0 = no limit',
  }),
  maxPending: option({
    env: 'MAX_PENDING',
    flag: '--max-pending',
    argument: '<n>',
    kind: kinds.count({ min: 0, max: 100_000 }),
    fallback: '1000',
    meaning:
      'with ADMISSION=approved, maximum number of unapproved workers listed as pending; beyond it the oldest is dropped',
  }),
  maxDedicatedLanes: option({
    env: 'MAX_DEDICATED_LANES',
    flag: '--max-dedicated-lanes',
    argument: '<n>',
    kind: kinds.countAutoOrAll({ min: 0, max: 30_000 }),
    fallback: 'auto',
    meaning:
      'maximum number of workers that get their own thread (a dedicated lane); the others use the shared lanes; auto: 32 per CPU core, at least 64, fewer if memory or other system limits require it; all: one for every worker',
  }),
  sharedLanes: option({
    env: 'SHARED_LANES',
    flag: '--shared-lanes',
    argument: '<n>',
    kind: kinds.countOrAuto({ min: 1, max: 64 }),
    fallback: 'auto',
    meaning: 'number of threads for workers without a dedicated lane; auto: one per two CPU cores, 1 to 8',
  }),
  laneDepth: option({
    env: 'LANE_DEPTH',
    flag: '--lane-depth',
    argument: '<n>',
    // Covers a lane's restart at one heartbeat per 5 s. Times MAX_MESSAGE_SIZE it is the memory that one worker can queue.
    kind: kinds.count({ min: 1, max: 1024 }),
    fallback: '16',
    meaning:
      'maximum number of heartbeats per worker queued in its lane; when the queue is full, only the newest further heartbeat waits',
  }),
  laneHeapMib: option({
    env: 'LANE_HEAP',
    flag: '--lane-heap',
    argument: '<MiB>',
    // The largest accepted heartbeat must fit, decoded and as JSON: 4 MiB with 50,000 tasks needed 40 MiB. Three times
    // that allows for late garbage collection.
    kind: kinds.count({ min: 16, max: 4096 }),
    fallback: '128',
    meaning:
      'heap limit of a dedicated lane in MiB (four times that for a shared lane); not reserved up front; raise it together with MAX_MESSAGE_SIZE',
  }),
  laneOffHeapMib: option({
    env: 'LANE_OFF_HEAP',
    flag: '--lane-off-heap',
    argument: '<MiB>',
    // The heartbeats queued in the lane's port count too: by default up to 16 of 4 MiB, half of this limit.
    kind: kinds.count({ min: 128, max: 16_384 }),
    fallback: '128',
    meaning:
      'limit in MiB on memory that a dedicated lane uses outside the heap, such as a processor’s buffers (four times that for a shared lane); raise it together with MAX_MESSAGE_SIZE and LANE_DEPTH',
  }),
  maxResidentMib: option({
    env: 'MAX_RESIDENT',
    flag: '--max-resident',
    argument: '<MiB>',
    // The master alone may need this much.
    kind: kinds.countOrAuto({ min: 256, max: 16_777_216 }),
    fallback: 'auto',
    meaning:
      'resident memory of the whole process, in MiB, above which the lane whose processor caused the growth is terminated; auto: 90 % of the memory that the machine and its cgroups allow',
  }),
  laneStallMs: option({
    env: 'LANE_STALL',
    flag: '--lane-stall',
    argument: '<duration>',
    // Below 0.5 s, lanes of a busy machine look stuck.
    kind: kinds.durationMs({ minMs: 500, maxMs: 3_600_000 }),
    fallback: '2s',
    meaning: 'a lane that makes no progress for this long is restarted',
  }),
  laneBudgetMs: option({
    env: 'LANE_BUDGET',
    flag: '--lane-budget',
    argument: '<duration>',
    // A tenth of the lane, during which its other workers wait. At one heartbeat per 5 s that is 0.5 s per heartbeat, a
    // thousand times what decoding takes.
    kind: kinds.durationMs({ minMs: 10, maxMs: 10_000 }),
    fallback: '1s',
    meaning:
      'processor time that one worker may use in 10 s of a shared lane; a worker that uses more is moved to another lane',
  }),
  laneQuarantineMs: option({
    env: 'LANE_QUARANTINE',
    flag: '--lane-quarantine',
    argument: '<duration>',
    kind: kinds.durationMs({ minMs: 1000 }),
    fallback: '5m',
    meaning:
      'how long a worker is quarantined (its heartbeats are not processed) after it crashed its lane 5 times within a minute',
  }),
  processor: option<string | undefined>({
    env: 'PROCESSOR',
    flag: '--processor',
    argument: '<file.mjs>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'ES module whose default export is called for each heartbeat and can add metrics or reject the heartbeat',
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
      'address of the master, or of several masters separated by commas: if the connection fails, the agent tries the next; optional with --listen',
  }),
  workerId: option({
    env: 'WORKER_ID',
    flag: '--id',
    argument: '<id>',
    kind: kinds.text,
    fallback: hostname(),
    fallbackShown: 'the host name',
    meaning: 'id of this worker',
  }),
  listen: option<kinds.Address | undefined>({
    env: 'AGENT_LISTEN',
    flag: '--listen',
    argument: '<address>',
    kind: kinds.listenAddress,
    fallback: undefined,
    meaning: 'address on which the agent waits for a master’s "register <id> <ip:port>"; default: it does not listen',
  }),
  listenTlsCert: option<string | undefined>({
    env: 'AGENT_LISTEN_TLS_CERT',
    flag: '--listen-tls-cert',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'certificate of this agent for --listen; masters then use "register <id> tls://<ip:port>"',
  }),
  listenTlsKey: option<string | undefined>({
    env: 'AGENT_LISTEN_TLS_KEY',
    flag: '--listen-tls-key',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'private key of AGENT_LISTEN_TLS_CERT, without a passphrase',
  }),
  listenTlsClientCa: option<string | undefined>({
    env: 'AGENT_LISTEN_TLS_CLIENT_CA',
    flag: '--listen-tls-client-ca',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'CA certificates of the masters that may connect to --listen; default: any master may',
  }),
  socket: hubSocketOption,
  local: option<kinds.Address | undefined>({
    env: 'AGENT_LOCAL',
    flag: '--local',
    argument: '<port>',
    kind: kinds.loopbackAddress,
    fallback: undefined,
    meaning:
      'loopback port on which programs of this machine, of every user, report tasks and metrics, as on the socket; default: none',
  }),
  scrape: option<readonly string[] | undefined>({
    env: 'AGENT_SCRAPE',
    flag: '--scrape',
    argument: '<url,…>',
    kind: kinds.scrapeUrls,
    fallback: undefined,
    meaning:
      'exporters for Prometheus of which chosen series become custom metrics of this worker, such as http://localhost:9100/metrics; requires AGENT_SCRAPE_METRICS',
  }),
  scrapeMetrics: option<readonly SeriesPattern[] | undefined>({
    env: 'AGENT_SCRAPE_METRICS',
    flag: '--scrape-metrics',
    argument: '<pattern,…>',
    kind: seriesPatterns,
    fallback: undefined,
    meaning:
      'which series of AGENT_SCRAPE are taken, by name, or by name and some labels as in node_network_*{device=eth0}; * stands for any text',
  }),
  scrapeIntervalMs: option({
    env: 'AGENT_SCRAPE_INTERVAL',
    flag: '--scrape-interval',
    argument: '<duration>',
    // Below a second exporters would mostly measure themselves. Prometheus calls a series stale after 5 minutes.
    kind: kinds.durationMs({ minMs: 1_000, maxMs: 5 * 60_000 }),
    fallback: '15s',
    meaning: 'how often the exporters of AGENT_SCRAPE are asked',
  }),
  intervalMs: {
    ...heartbeatIntervalMs,
    meaning: 'how often to send heartbeats until the master sets another interval',
  },
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
    meaning: 'group of workers that can fail together, such as a rack',
  }),
  ephemeral: option({
    env: 'WORKER_EPHEMERAL',
    flag: '--ephemeral',
    argument: '',
    kind: kinds.onOff,
    fallback: 'false',
    meaning: 'mark this worker as short-lived: the master removes it soon after it goes silent',
  }),
  isolate: option({
    env: 'WORKER_ISOLATE',
    flag: '--isolate',
    argument: '',
    kind: kinds.onOff,
    fallback: 'false',
    meaning:
      'ask the master for a dedicated lane (a thread for this worker alone); sets the label pulselane.isolation=dedicated',
  }),
  gpuToolPath: option({
    env: 'GPU_TOOL_PATH',
    flag: '--gpu-tool-path',
    argument: '<folder:…>',
    kind: kinds.text,
    fallback: '',
    meaning:
      'directories searched for nvidia-smi, amd-smi, rocm-smi and xpu-smi before PATH and the usual install locations',
  }),
  tls: option({
    env: 'MASTER_TLS',
    flag: '--tls',
    argument: '',
    kind: kinds.onOff,
    fallback: 'false',
    meaning: 'connect to the master with TLS; implied by the three options below',
  }),
  tlsCa: option<string | undefined>({
    env: 'MASTER_TLS_CA',
    flag: '--tls-ca',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'CA certificates to verify the master; default: the CAs built into Node',
  }),
  tlsCert: option<string | undefined>({
    env: 'MASTER_TLS_CERT',
    flag: '--tls-cert',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'client certificate that identifies this worker to the master; requires MASTER_TLS_KEY',
  }),
  tlsKey: option<string | undefined>({
    env: 'MASTER_TLS_KEY',
    flag: '--tls-key',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'private key of MASTER_TLS_CERT',
  }),
  token: option<string | undefined>({
    env: 'WORKER_TOKEN',
    flag: '',
    argument: '',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'token that identifies this worker to the master',
  }),
  tokenFile: option<string | undefined>({
    env: 'WORKER_TOKEN_FILE',
    flag: '--token-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'file that contains only the token; reread for each connection; cannot be combined with WORKER_TOKEN',
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
    meaning: 'URL of the master’s HTTP API',
  }),
  token: option<string | undefined>({
    env: 'PULSELANE_TOKEN',
    flag: '',
    argument: '',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'API token; required if the master uses authentication',
  }),
  tokenFile: option<string | undefined>({
    env: 'PULSELANE_TOKEN_FILE',
    flag: '--token-file',
    argument: '<file>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'file that contains only the API token; overrides PULSELANE_TOKEN',
  }),
  tlsCa: option<string | undefined>({
    env: 'PULSELANE_TLS_CA',
    flag: '--tls-ca',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'CA certificates to verify the master (https only); default: the CAs built into Node',
  }),
  tlsCert: option<string | undefined>({
    env: 'PULSELANE_TLS_CERT',
    flag: '--tls-cert',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'client certificate for masters that require one (https only); requires PULSELANE_TLS_KEY',
  }),
  tlsKey: option<string | undefined>({
    env: 'PULSELANE_TLS_KEY',
    flag: '--tls-key',
    argument: '<file.pem>',
    kind: kinds.text,
    fallback: undefined,
    meaning: 'private key of PULSELANE_TLS_CERT, without a passphrase',
  }),
} as const satisfies Options;

/** Options of `pulselane task`. */
export const taskOptions = {
  socket: hubSocketOption,
} as const satisfies Options;

/** Options of `pulselane token create`. */
export const tokenOptions = {
  workerTokensFile: masterOptions.workerTokensFile,
  apiTokensFile: masterOptions.apiTokensFile,
} as const satisfies Options;

/** How errors that show later name the settings; variables where it is missing. */
interface Named {
  readonly names?: SettingNames;
}

export type MasterConfig = ValuesOf<typeof masterOptions> & Named;
export type AgentConfig = ValuesOf<typeof agentOptions> & Named;
export type ClientConfig = ValuesOf<typeof clientOptions> & Named;
