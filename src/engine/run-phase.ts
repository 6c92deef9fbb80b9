/** The engine's life cycle: it is started once and stopped once. */
import { PulselaneError } from '../lib/errors.ts';

export class RunPhase {
  #phase: 'new' | 'running' | 'stopped' = 'new';

  get isNew(): boolean {
    return this.#phase === 'new';
  }

  begin(): void {
    this.#phase = 'running';
  }

  end(): void {
    this.#phase = 'stopped';
  }

  /** @throws PulselaneError `unavailable` unless the engine is running */
  mustRun(): void {
    if (this.#phase === 'running') return;
    throw new PulselaneError(
      'unavailable',
      this.#phase === 'new' ? 'the TelemetryManager is not started: await start() first' : 'the master is stopping',
    );
  }
}
