/** A master that runs: what the CLI and tests see of it. */
import type { Address } from '../config/kinds.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import type { PulselaneError } from '../lib/errors.ts';
import type { Operator } from './operator.ts';

export interface RunningMaster {
  /** Where workers send, as bound: a port 0 of the settings is the real port here. */
  readonly grpcAddress: Address;
  /** Undefined when HTTP is off. */
  readonly httpAddress: Address | undefined;
  readonly manager: TelemetryManager;
  readonly operator: Operator;
  /** Resolves if it cannot go on: it is to be stopped then. */
  readonly failure: Promise<PulselaneError>;
  /** Drains and ends everything, within 10 s; safe to call again. */
  stop(): Promise<void>;
}
