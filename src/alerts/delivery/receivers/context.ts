/** What all receivers are given. */
import type { Clock } from '../../../lib/clock.ts';

/** Writes a line to the log of the master. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  /** For programs that read the log. */
  fields?: Readonly<Record<string, unknown>>,
) => void;

export interface ReceiverContext {
  readonly clock: Clock;
  readonly log: Log;
  /** PUBLIC_URL; empty: nobody can open the dashboard. */
  readonly externalUrl: string;
  /** Of commands: PATH and the like, and nothing that is secret. */
  readonly commandEnvironment: Readonly<Record<string, string>>;
}
