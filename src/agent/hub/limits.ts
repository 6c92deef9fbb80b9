/** What the programs of a machine may ask of its agent at most. Each bound that is reached is counted, and shown at `GET /v1/status`. */

const MIB = 1024 ** 2;

export const HUB_LIMITS = {
  /** A task takes some 200 bytes, a thousand metrics with long names fit. */
  lineBytes: 64 * 1024,
  /** A worker with a task per core has some hundreds; a quarter of the open files that the unit allows (LimitNOFILE). */
  connections: 256,
  /** Of the port, where everybody may connect: they are not counted among the others, which they can so not keep away. */
  portConnections: 64,
  /** A program that reports more at once is one that does not end its tasks. */
  tasksPerConnection: 1_000,
  /** Those of a large worker; a fifth of what a heartbeat may hold. */
  tasks: 10_000,
  /** Tasks whose process is watched: reading as many files of /proc takes some 10 ms of each look. */
  watchedProcesses: 1_000,
  /** Names set by lines: fifteen times what history keeps of a worker by default. */
  metrics: 1_000,
  /** Names set by OTLP, where each combination of attributes is one: ten programs with what an SDK reports of its process. */
  otlpMetrics: 2_000,
  /** Lines per second of one connection, which is read more slowly above it: a heartbeat every few seconds tells only the last of them. */
  connectionLinesPerS: 500,
  /** As many at once: all tasks of a batch may start in the same moment. */
  connectionLinesAtOnce: 1_000,
  /** Lines per second of all connections and requests together: of four such programs. Half of them for connections, half for requests. */
  linesPerS: 2_000,
  linesAtOnce: 4_000,
  /** A whole export of an OpenTelemetry SDK; the default limit of gRPC and of the OpenTelemetry collector. */
  bodyBytes: 4 * MIB,
  /** Of the bodies that are held at the same time: four of the largest. */
  bodiesBytes: 16 * MIB,
  /** The same of requests on the port, which so cannot keep away those on the socket. */
  portBodiesBytes: 8 * MIB,
  /** Lines of one request, and tasks of one request: what one connection may send at once. */
  linesPerRequest: 1_000,
  /** Answers that a client does not read; further ones are dropped. */
  unreadAnswerBytes: 64 * 1024,
  /** Refused lines that one answer names; the others are counted. */
  refusalsPerAnswer: 100,
} as const;

/** A client that has connected says something within this time. */
export const FIRST_BYTE_WITHIN_MS = 30_000;
/** The headers of an HTTP request are complete within this time after their first byte, or after the answer to the last request: they are sent at once. */
export const HEADERS_WITHIN_MS = 10_000;
/** The rest of an HTTP request, and its answer, within this time: 4 MiB at 1.5 Mbit/s. */
export const REQUEST_WITHIN_MS = 30_000;

/** After this time without a new value, Prometheus calls a series stale. Long enough for exporters that push each minute. */
export const METRIC_KEEP_MS = 5 * 60_000;
/** A task that was started for good, without a process to watch, and of which nothing is heard: longer than most jobs. */
export const TASK_KEEP_MS = 24 * 3_600_000;
/** How often expired metrics and ended processes are looked for. */
export const SWEEP_EVERY_MS = 1_000;
