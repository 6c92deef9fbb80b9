/** What all receivers are given. */
import type { Clock } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/logging.ts';

export interface ReceiverContext {
  readonly clock: Clock;
  /** Of the receivers `log` and `command`. */
  readonly logger: Logger;
  /** PUBLIC_URL. */
  readonly externalUrl: string;
  /** Of commands: PATH and the like, and nothing that is secret. */
  readonly commandEnvironment: Readonly<Record<string, string>>;
}
