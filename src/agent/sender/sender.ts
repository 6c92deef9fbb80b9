/** What a connection needs of a way to send: heartbeats on one stream, or one call each. */
import type { Heartbeat, Refusal } from '../../gen/pulselane/v1/telemetry_pb.ts';

export interface SenderEvents {
  /** The master has taken a heartbeat. */
  readonly onAccepted: (sequence: number, roundTripMs: number | undefined) => void;
  /** The master has refused a heartbeat and goes on listening. */
  readonly onRefused: (refusal: Refusal) => void;
  /** The master says how often to send. */
  readonly onInterval: (askedMs: number) => void;
  /** Nothing can be sent this way any more; called once, and not after `close`. */
  readonly onLost: (cause: unknown) => void;
}

export interface Sender {
  /** Whether the master is told of ended tasks this way. */
  readonly tellsEndedTasks: boolean;
  /** False if it was not sent, because the one before has not left yet: nothing waits in line to be sent late. */
  send(heartbeat: Heartbeat): boolean;
  /** Sends a last heartbeat where the master understands it; resolves when it is answered, or after a bounded time. */
  farewell(heartbeat: Heartbeat): Promise<void>;
  close(): void;
}
