/** The settings of an agent, checked before anything is sent. */

import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { MAX_REGISTRATION_BYTES } from '../config/call-limits.ts';
import { hubSocket } from '../config/hub-socket.ts';
import { type Address, type Kind, listenAddress, loopbackAddress, peerAddresses, scrapeUrls } from '../config/kinds.ts';
import { checkOptionNames } from '../config/option-names.ts';
import { seriesPatterns } from '../config/series-patterns.ts';
import type { SettingNames } from '../config/setting-names.ts';
import { toolEnvironment } from '../config/tool-environment.ts';
import { WorkerInfoSchema } from '../gen/pulselane/v1/telemetry_pb.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { ISOLATION_LABEL, unknownWish, WISH_LABELS } from '../model/isolation.ts';
import { LONGEST_INTERVAL_MS } from '../model/pace.ts';
import { checkWorkerId } from '../model/worker-id.ts';
import { checkGroup, checkLabels } from '../model/worker-info.ts';
import type { HubSettings } from './hub/hub.ts';
import type { ToolSettings } from './measure/gpu/tool.ts';
import type { ScrapeSettings } from './scrape/exporter-scraper.ts';
import { type CredentialSettings, isToken } from './sender/credentials.ts';

export interface AgentSettingsOptions {
  /** 1 to 256 bytes of UTF-8 without control characters. */
  readonly workerId: string;
  /**
   * `host:port` of the master; may be left out if `listen` is given. Of several, in a list or separated by commas, one
   * at a time is reported to: when it is lost the next is tried, and the first again after the last.
   */
  readonly master?: string | readonly string[] | undefined;
  /** `host:port` where a master's "register <id> <ip:port>" can reach this agent; nowhere by default. */
  readonly listen?: string | undefined;
  /** Speaks TLS where it listens. Paths of PEM files, read when it begins. */
  readonly listenTls?: ListenTlsOptions | undefined;
  /** How often to send until the master says otherwise: 100 to 3,600,000; 5,000 by default. */
  readonly intervalMs?: number | undefined;
  /** At most 64, names of 320 and values of 1,024 bytes, without control characters; some 7 KiB in all. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Workers that may fail together, such as those of a rack; at most 256 bytes without control characters. */
  readonly group?: string | undefined;
  /** A short-lived worker: to be forgotten soon after it falls silent. */
  readonly ephemeral?: boolean | undefined;
  /**
   * Asks the master for a thread of its own, by the label `pulselane.isolation`: a wish, which it may be unable to grant.
   * An error where `labels` have another value of it.
   */
  readonly isolate?: boolean | undefined;
  /**
   * Folders, in the notation of PATH, in which nvidia-smi, amd-smi, rocm-smi and xpu-smi are looked for before those of
   * PATH and the places where drivers put them.
   */
  readonly gpuToolPath?: string | undefined;
  /** Speaks TLS with the master; true is the same as an empty object. */
  readonly tls?: boolean | TlsOptions | undefined;
  /** By which the master knows this worker. */
  readonly token?: string | undefined;
  /** Path of a file that holds the token alone; it is read again for each connection. Instead of `token`. */
  readonly tokenFile?: string | undefined;
  /**
   * Opens a Unix socket, and a loopback port if asked for, by which other programs of this machine report tasks and metrics through this
   * agent. True: the usual socket, if there is a directory for it and no other agent has it. None by default.
   */
  readonly hub?: boolean | HubOptions | undefined;
  /** Exporters for Prometheus on this machine, of which chosen series become custom metrics. None by default. */
  readonly scrape?: ScrapeOptions | undefined;
}

export interface ScrapeOptions {
  /** 1 to 16, such as `http://localhost:9100/metrics`. */
  readonly urls: string | readonly string[];
  /** Names of metrics, or of series as in `node_network_*{device=eth0}`; `*` stands for any text. At least one. */
  readonly metrics: string | readonly string[];
  /** 1,000 to 300,000; 15,000 by default. */
  readonly intervalMs?: number | undefined;
}

export interface HubOptions {
  /** Path of the socket; that it cannot be had is an error. By default the usual one; `off`: none. */
  readonly socket?: string | undefined;
  /** A port of 127.0.0.1, or a loopback address such as `[::1]:9464`; none by default. Every user of the machine may report there. */
  readonly local?: number | string | undefined;
}

/** Paths of PEM files, read again for each connection. */
export interface TlsOptions {
  /** Authorities of the master's certificate; by default those that Node comes with. */
  readonly ca?: string | undefined;
  /** By which the master knows this worker; with `key`. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** False: any master is believed. For an agent that runs in the process of its master, and nowhere else. */
  readonly verify?: boolean | undefined;
}

/** Paths of PEM files. */
export interface ListenTlsOptions {
  readonly cert: string;
  readonly key: string;
  /** Authorities of the masters that may call; any may by default. */
  readonly clientCa?: string | undefined;
}

/** {@link AgentSettingsOptions}, checked and whole; plain data, since it travels to the thread. */
export interface AgentSettings {
  readonly workerId: string;
  /** One life of this program. */
  readonly instanceId: string;
  /** In the order in which they are tried; empty until a master has told its address. */
  readonly masters: readonly Address[];
  /** Whether the masters were given at the start, so that no other one is taken. */
  readonly mastersAreFixed: boolean;
  readonly listen: Address | undefined;
  readonly listenTls: ListenTlsOptions | undefined;
  readonly intervalMs: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly group: string;
  readonly ephemeral: boolean;
  readonly access: CredentialSettings;
  readonly tools: ToolSettings;
  /** Undefined: other programs report to another agent, or nowhere. */
  readonly hub: HubSettings | undefined;
  readonly scrape: ScrapeSettings | undefined;
}

/** At shorter intervals a fleet would mostly measure its own load; the same bounds as HEARTBEAT_INTERVAL. */
export const LEAST_INTERVAL_MS = 100;
const DEFAULT_INTERVAL_MS = 5_000;
/** The same bounds as AGENT_SCRAPE_INTERVAL. */
const LEAST_SCRAPE_INTERVAL_MS = 1_000;
const DEFAULT_SCRAPE_INTERVAL_MS = 15_000;
const LONGEST_SCRAPE_INTERVAL_MS = 300_000;
/** How long an agent may take to stop: the farewell may take 2 s of it, measuring for it half a second. */
export const STOP_WITHIN_MS = 3_000;
/** Of a registration, for what the agent adds: addresses, versions, an instance id and numbers are some 200 bytes. */
const MEASURED_BYTES = 512;

const AGENT_OPTION_NAMES: Readonly<Record<keyof AgentSettingsOptions | 'logger', true>> = {
  workerId: true,
  master: true,
  listen: true,
  listenTls: true,
  intervalMs: true,
  labels: true,
  group: true,
  ephemeral: true,
  isolate: true,
  gpuToolPath: true,
  tls: true,
  token: true,
  tokenFile: true,
  hub: true,
  scrape: true,
  logger: true,
};

/** How a program that embeds the agent names its options, for errors that show only once a file is read or a port opened. */
const OPTION_NAMES: SettingNames = Object.fromEntries(
  Object.entries({
    MASTER_TLS_CA: 'tls.ca',
    MASTER_TLS_CERT: 'tls.cert',
    MASTER_TLS_KEY: 'tls.key',
    WORKER_TOKEN_FILE: 'tokenFile',
    AGENT_LISTEN: 'listen',
    AGENT_LOCAL: 'hub.local',
    PULSELANE_SOCKET: 'hub.socket',
    AGENT_SCRAPE: 'scrape.urls',
    AGENT_SCRAPE_METRICS: 'scrape.metrics',
    AGENT_LISTEN_TLS_CERT: 'listenTls.cert',
    AGENT_LISTEN_TLS_KEY: 'listenTls.key',
    AGENT_LISTEN_TLS_CLIENT_CA: 'listenTls.clientCa',
  }).map(([variable, name]) => [variable, { name, where: '' }]),
);

/**
 * @param names how the user wrote them, where they were not given as options
 * @throws PulselaneError `invalid_argument`, naming the option
 */
export function checkAgentOptions(options: AgentSettingsOptions, names: SettingNames = OPTION_NAMES): AgentSettings {
  checkOptionNames(options, AGENT_OPTION_NAMES);
  checkWorkerId(options.workerId);
  const masters = parsed('master', options.master, peerAddresses) ?? [];
  const listen = parsed('listen', options.listen, listenAddress);
  if (options.master === undefined && listen === undefined) {
    throw new PulselaneError('invalid_argument', 'master is not given: give it, or listen to wait for a master');
  }
  // The protocol's intervals are integers.
  const intervalMs = Math.round(options.intervalMs ?? DEFAULT_INTERVAL_MS);
  if (!(intervalMs >= LEAST_INTERVAL_MS && intervalMs <= LONGEST_INTERVAL_MS)) {
    throw new PulselaneError(
      'invalid_argument',
      `intervalMs is ${intervalMs}; expected ${LEAST_INTERVAL_MS} to ${LONGEST_INTERVAL_MS}`,
    );
  }
  const { labels, group } = checkedDescription(options);
  return {
    workerId: options.workerId,
    instanceId: randomUUID(),
    masters,
    mastersAreFixed: masters.length > 0,
    listen,
    listenTls: absoluteFiles(options.listenTls),
    intervalMs,
    labels,
    group,
    ephemeral: options.ephemeral ?? false,
    access: { ...accessOf(options, masters.length > 0), names },
    tools: { gpuToolPath: options.gpuToolPath ?? '', environment: toolEnvironment() },
    hub: hubOf(options.hub),
    scrape: scrapeOf(options.scrape),
  };
}

const HUB_OPTION_NAMES: Readonly<Record<keyof HubOptions, true>> = { socket: true, local: true };

function hubOf(given: boolean | HubOptions | undefined): HubSettings | undefined {
  if (given === undefined || given === false) return undefined;
  const { socket, local } = given === true ? ({} as HubOptions) : given;
  if (given !== true) named('hub', () => checkOptionNames(given, HUB_OPTION_NAMES));
  const { paths, isGiven } = hubSocket(socket);
  const address = parsed('hub.local', local === undefined ? undefined : String(local), loopbackAddress);
  if (paths.length === 0 && address === undefined) return undefined;
  return { sockets: paths, mustHaveSocket: isGiven, local: address };
}

const SCRAPE_OPTION_NAMES: Readonly<Record<keyof ScrapeOptions, true>> = {
  urls: true,
  metrics: true,
  intervalMs: true,
};

function scrapeOf(given: ScrapeOptions | undefined): ScrapeSettings | undefined {
  if (given === undefined) return undefined;
  named('scrape', () => checkOptionNames(given, SCRAPE_OPTION_NAMES));
  const urls = parsed('scrape.urls', given.urls, scrapeUrls) ?? [];
  const patterns = parsed('scrape.metrics', given.metrics, seriesPatterns) ?? [];
  if (urls.length === 0)
    throw new PulselaneError('invalid_argument', 'scrape.urls is empty; expected at least one URL');
  if (patterns.length === 0) {
    throw new PulselaneError(
      'invalid_argument',
      'scrape.metrics is empty; expected the series to take, such as node_load1 or DCGM_FI_DEV_*',
    );
  }
  const intervalMs = given.intervalMs ?? DEFAULT_SCRAPE_INTERVAL_MS;
  if (!(intervalMs >= LEAST_SCRAPE_INTERVAL_MS && intervalMs <= LONGEST_SCRAPE_INTERVAL_MS)) {
    throw new PulselaneError(
      'invalid_argument',
      `scrape.intervalMs is ${intervalMs}; expected ${LEAST_SCRAPE_INTERVAL_MS} to ${LONGEST_SCRAPE_INTERVAL_MS}`,
    );
  }
  return { urls, patterns, intervalMs };
}

/**
 * What a master keeps of what a worker says of itself, and how large that may be.
 * @throws PulselaneError `invalid_argument`, naming the option
 */
function checkedDescription({
  workerId,
  labels: given = {},
  group = '',
  isolate = false,
}: Pick<AgentSettingsOptions, 'workerId' | 'labels' | 'group' | 'isolate'>) {
  if (isolate) named('isolate and labels', () => checkWish(given));
  const labels = isolate ? { ...given, ...WISH_LABELS } : given;
  named('labels', () => checkLabels(labels));
  named('group', () => checkGroup(group));
  const bytes = toBinary(WorkerInfoSchema, create(WorkerInfoSchema, { workerId, labels: { ...labels }, group })).length;
  const mostBytes = MAX_REGISTRATION_BYTES - MEASURED_BYTES;
  if (bytes > mostBytes) {
    throw new PulselaneError(
      'invalid_argument',
      `labels, group and id have ${bytes} bytes; at most ${mostBytes} are allowed`,
    );
  }
  return { labels: { ...labels }, group };
}

/** For an agent that is to ask for a thread of its own. @throws PulselaneError `invalid_argument` if its labels wish otherwise */
export function checkWish(labels: Readonly<Record<string, string>>): void {
  const otherwise = unknownWish(labels);
  if (otherwise === undefined) return;
  throw new PulselaneError(
    'invalid_argument',
    `the label ${ISOLATION_LABEL}=${otherwise} is given, too; expected one of them`,
  );
}

function named(option: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new PulselaneError('invalid_argument', `${option}: ${messageOf(error)}`);
  }
}

function accessOf({ tls, token, tokenFile }: AgentSettingsOptions, mastersAreFixed: boolean): CredentialSettings {
  const { ca, cert, key, verify = true } = typeof tls === 'object' ? tls : {};
  if ((cert === undefined) !== (key === undefined)) {
    throw new PulselaneError('invalid_argument', 'tls.cert and tls.key belong together, but one of them is not given');
  }
  if (token !== undefined && tokenFile !== undefined) {
    throw new PulselaneError('invalid_argument', 'token and tokenFile are both given; expected one of them');
  }
  if (token !== undefined && !isToken(token)) {
    throw new PulselaneError('invalid_argument', 'token is not one: expected visible ASCII characters, without spaces');
  }
  const speaksTls = tls !== undefined && tls !== false;
  // With the authorities of Node any host that has a certificate for its own name would be believed.
  if (!(speaksTls && ca !== undefined) && !mastersAreFixed && (token !== undefined || tokenFile !== undefined)) {
    throw new PulselaneError(
      'invalid_argument',
      'the token would be sent to any caller: give master, or tls.ca beside listen',
    );
  }
  // They are read for each connection, wherever the process is by then.
  const files = { ca: absolute(ca), cert: absolute(cert), key: absolute(key) };
  return { tls: speaksTls ? { ...files, verify } : undefined, token, tokenFile: absolute(tokenFile) };
}

/** Read again by a thread that follows a dead one. */
function absoluteFiles(tls: ListenTlsOptions | undefined): ListenTlsOptions | undefined {
  return tls && { cert: resolve(tls.cert), key: resolve(tls.key), clientCa: absolute(tls.clientCa) };
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}

/** What a master asks for, within the same bounds; undefined if it asks for nothing. */
export function boundedInterval(askedMs: number): number | undefined {
  if (!(askedMs > 0)) return undefined;
  return Math.min(LONGEST_INTERVAL_MS, Math.max(LEAST_INTERVAL_MS, askedMs));
}

function parsed<T>(option: string, given: string | readonly string[] | undefined, kind: Kind<T>): T | undefined {
  if (given === undefined) return undefined;
  try {
    return kind.parse(typeof given === 'string' ? given : given.join(','));
  } catch (error) {
    throw new PulselaneError('invalid_argument', `${option} is ${JSON.stringify(given)}; expected ${messageOf(error)}`);
  }
}
