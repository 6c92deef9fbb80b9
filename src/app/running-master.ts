/** A master that runs: what the CLI and tests see of it. */
import type { Address } from '../config/kinds.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import type { PulselaneError } from '../lib/errors.ts';
import type { Vitality } from '../lib/service-notifier.ts';
import type { Operator } from './operator.ts';

/** What an agent within the process of its master needs beside the address. */
export interface LocalAccess {
  /** Whether TLS is spoken. Its certificate need not name the address that is called: the process calls itself. */
  readonly isEncrypted: boolean;
  /** Undefined: workers need none. */
  readonly token: string | undefined;
}

/** What a client of the HTTP API, or a worker, needs beside the address. */
export interface ClientAccess {
  /** Whether TLS is spoken. */
  readonly isEncrypted: boolean;
  readonly asksForToken: boolean;
  /** Whether it does not do without a client certificate. */
  readonly asksForCertificate: boolean;
}

export interface RunningMaster {
  /** Where workers send, as bound: a port 0 of the settings is the real port here. */
  readonly grpcAddress: Address;
  /** Undefined when HTTP is off. */
  readonly httpAddress: Address | undefined;
  readonly httpAccess: ClientAccess;
  readonly grpcAccess: ClientAccess;
  readonly manager: TelemetryManager;
  readonly operator: Operator;
  /** Resolves if it cannot go on: it is to be stopped then. */
  readonly failure: Promise<PulselaneError>;
  /**
   * Reads the files of certificates and tokens again, as SIGHUP has it. Connections and streams live on, but for those
   * whose token is gone. Never rejects: what is wrong is logged, and what was in force stays so.
   */
  reload(): Promise<void>;
  /** For the service manager: a status line, and what does not answer. */
  vitality(): Vitality;
  /** How an agent in this process may reach this master. @throws PulselaneError `bad_setting` if it cannot */
  localAccess(workerId: string): LocalAccess;
  /** Drains and ends everything, within 10 s; safe to call again. */
  stop(): Promise<void>;
}
