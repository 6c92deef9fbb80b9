/** Evaluations, states, the file of alerts and deliveries to real receivers, without shared memory: what is found is the test's. */
import { Cycle } from '../../../src/alerts/cycle.ts';
import { sendersOf } from '../../../src/alerts/delivery/receivers/make-senders.ts';
import { AlertNotices } from '../../../src/alerts/notices.ts';
import type { Receiver } from '../../../src/alerts/rules/rule.ts';
import { AlertStates } from '../../../src/alerts/state/alert-states.ts';
import { AlertStore } from '../../../src/alerts/store/alert-store.ts';
import type { Clock } from '../../../src/lib/clock.ts';
import { evaluated, type FoundOf } from '../rules.ts';

export interface DeliveryOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly found: () => FoundOf;
  /** After each evaluation. */
  readonly onDone?: () => void;
}

/** A store whose disk the test fills. */
export class FillableStore extends AlertStore {
  isFull = false;

  override async open(): Promise<'kept' | 'empty' | undefined> {
    const opened = await super.open();
    if (this.isFull && this.isOpen) {
      super.write((connection) => {
        connection.exec(`PRAGMA max_page_count = ${connection.value('PRAGMA page_count')}`);
      });
    }
    return opened;
  }
}

export class DeliveryScene {
  readonly states = new AlertStates({ noDataAfterMs: 3_600_000 });
  readonly store: FillableStore;
  readonly notices: AlertNotices;
  readonly cycle: Cycle;
  readonly log: string[] = [];

  constructor({ path, clock, found, onDone = () => {} }: DeliveryOptions) {
    const onLoss = (message: string) => void this.log.push(message);
    this.store = new FillableStore({ path, clock, onLoss });
    const log = (_level: string, message: string) => void this.log.push(message);
    this.notices = new AlertNotices({
      clock,
      random: () => 0,
      timeZone: 'UTC',
      publicUrl: '',
      makeSender: sendersOf({ clock, log, externalUrl: '', commandEnvironment: {} }),
      writeNow: (work) => this.store.write(work),
      log,
    });
    this.cycle = new Cycle({
      evaluation: { load: () => {}, evaluate: async (rules) => rules.map((one) => evaluated(one, found())) },
      notices: this.notices,
      states: this.states,
      store: this.store,
      clock,
      attentiveMs: () => clock.monotonicMs(),
      onDone,
      onLoss,
      onError: (error) => {
        throw error;
      },
    });
  }

  async stop(): Promise<void> {
    await this.notices.stop();
    await this.cycle.stop();
    this.store.close();
  }
}

export function webhooks(urls: Readonly<Record<string, string>>): Receiver[] {
  return Object.entries(urls).map(([name, url]) => ({
    name,
    targets: [{ kind: 'webhook', settings: { url }, sendsResolved: true }],
    place: undefined,
  }));
}
