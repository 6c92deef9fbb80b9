import { PulselaneError } from '../lib/errors.ts';

/** The heartbeat counts as a sign of life, but its values are not taken, and its sender is informed at once. */
export class RejectedOnArrival extends PulselaneError {
  /** For the sender: what is wrong, with this heartbeat and possibly with earlier ones. One line. */
  get rejected(): string {
    return this.message;
  }
}
