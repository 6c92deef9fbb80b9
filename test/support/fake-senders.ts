/** Receivers that answer when and what the test says. */
import type { MakeSender, Notification, SendOutcome } from '../../src/alerts/delivery/notification.ts';
import type { ReceiverTarget } from '../../src/alerts/rules/rule.ts';

export interface FakeSend {
  readonly target: ReceiverTarget;
  readonly notification: Notification;
  readonly signal: AbortSignal;
  /** Lets the delivery end, and waits until that was seen. */
  answer(outcome: SendOutcome | Error): Promise<void>;
}

export const SENT: SendOutcome = { outcome: 'sent' };
export const REFUSED: SendOutcome = { outcome: 'refused', detail: '403 Forbidden' };
const ABORTED: SendOutcome = { outcome: 'retry', detail: 'aborted' };
export const RETRY: SendOutcome & { readonly outcome: 'retry' } = {
  outcome: 'retry',
  detail: '500 Internal Server Error',
};

export class FakeSenders {
  /** Under way, in the order in which they began. */
  readonly underWay: FakeSend[] = [];
  /** All, in that order. */
  readonly begun: FakeSend[] = [];
  readonly closed: ReceiverTarget[] = [];
  /** Answers at once. */
  always: SendOutcome | undefined;
  ignoresAbort = false;

  readonly make: MakeSender = (target) => ({
    send: (notification, signal) => {
      const answered = Promise.withResolvers<SendOutcome>();
      const send: FakeSend = {
        target,
        notification,
        signal,
        answer: async (outcome) => {
          this.underWay.splice(this.underWay.indexOf(send), 1);
          if (outcome instanceof Error) answered.reject(outcome);
          else answered.resolve(outcome);
          await settled();
        },
      };
      this.begun.push(send);
      if (this.always !== undefined) return Promise.resolve(this.always);
      this.underWay.push(send);
      if (!this.ignoresAbort) signal.addEventListener('abort', () => void send.answer(ABORTED));
      return answered.promise;
    },
    close: async () => {
      this.closed.push(target);
    },
  });
}

/** Everything that follows from what has happened, without timers. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
