/**
 * The agent of a process that does nothing else. It measures and sends in the process's own thread: a second thread would take
 * memory, and there is no host program whose load it would have to survive. An unexpected error ends the process, and its
 * service manager starts it again.
 */
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { type Clock, endsWithin } from '../lib/clock.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { Beater, type StopOptions } from './beater.ts';
import { reportTo } from './report.ts';
import { type AgentSettings, STOP_WITHIN_MS } from './settings.ts';

export interface StandaloneAgentOptions {
  readonly settings: AgentSettings;
  readonly logger: Logger;
  readonly clock: Clock;
}

export class StandaloneAgent {
  readonly #beater: Beater;
  readonly #clock: Clock;

  constructor({ settings, logger, clock }: StandaloneAgentOptions) {
    // grpc-js would write to stderr what our own log lines say already.
    setLogVerbosity(logVerbosity.NONE);
    this.#beater = new Beater({ settings, clock, report: reportTo(logger) });
    this.#clock = clock;
  }

  /**
   * Resolves when it measures and, if asked to, listens. The master need not be there yet: it is tried again and again.
   * @throws PulselaneError `environment` if the port to listen on cannot be had
   */
  async start(): Promise<void> {
    try {
      await this.#beater.start();
    } catch (error) {
      await this.stop();
      if (error instanceof PulselaneError) throw error;
      throw new PulselaneError('environment', messageOf(error), { cause: error });
    }
  }

  /** Ends all that it runs, within 3 s; before, says farewell to the master. */
  async stop(options?: StopOptions): Promise<void> {
    await endsWithin(this.#clock, STOP_WITHIN_MS, this.#beater.stop(options));
  }
}
