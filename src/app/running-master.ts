/** A running master, as the CLI and tests see it. */
import type { AlertsHost } from '../alerts/host.ts';
import type { Address } from '../config/kinds.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import type { HistoryHost } from '../history/host.ts';
import type { PulselaneError } from '../lib/errors.ts';
import type { Vitality } from '../lib/service-notifier.ts';
import type { ExportHost } from '../metrics/export/host.ts';
import type { Operator } from './operator.ts';

/** What an agent in the master's own process needs besides the address. */
export interface LocalAccess {
  /** Whether to use TLS. The certificate need not name the address: the process calls itself. */
  readonly isEncrypted: boolean;
  /** Undefined: no token is needed. */
  readonly token: string | undefined;
}

/** What a client of the HTTP API, or a worker, needs besides the address. */
export interface ClientAccess {
  /** Whether to use TLS. */
  readonly isEncrypted: boolean;
  readonly asksForToken: boolean;
  /** Whether a client certificate is required. */
  readonly asksForCertificate: boolean;
}

export interface RunningMaster {
  /** The bound address for workers: port 0 of the settings is the real port here. */
  readonly grpcAddress: Address;
  /** Undefined when HTTP is off. */
  readonly httpAddress: Address | undefined;
  readonly httpAccess: ClientAccess;
  readonly grpcAccess: ClientAccess;
  readonly manager: TelemetryManager;
  readonly operator: Operator;
  /** Undefined: history is off. */
  readonly history: Pick<HistoryHost, 'status' | 'thread'> | undefined;
  /** Undefined: no receiver of metrics is set. */
  readonly exports: Pick<ExportHost, 'receivers' | 'thread'> | undefined;
  /** Undefined: alerts are off. */
  readonly alerts: Pick<AlertsHost, 'follow' | 'status' | 'thread'> | undefined;
  /** Resolves with the reason if the master cannot continue: then stop it. */
  readonly failure: Promise<PulselaneError>;
  /**
   * Reads the files of certificates and tokens again, as on SIGHUP. Connections and streams continue, except those whose token
   * was removed. Never rejects: errors are logged, and the old credentials stay active.
   */
  reload(): Promise<void>;
  /**
   * For the service manager: a status line, and which part is stuck so that only a restart of the process can cure it. Main's
   * own loop is not looked at: it sends the pings. The one such part is an HTTP thread that does not answer and cannot be
   * ended. What main restarts itself is none, however often it fails: an HTTP thread whose port is taken, a lane whose
   * processor cannot start, a lane that is stuck (main ends it, or goes on without it).
   */
  vitality(): Vitality;
  /** How an agent in this process may reach this master. @throws PulselaneError `bad_setting` if it cannot */
  localAccess(workerId: string): LocalAccess;
  /** Drains and stops everything within 10 s. Idempotent. */
  stop(): Promise<void>;
}
