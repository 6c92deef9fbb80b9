import { PulselaneError } from '../../lib/errors.ts';

/** An answer and when, by the master's own clock, it was given: ages are told by one clock alone. */
export interface ApiAnswer {
  readonly body: unknown;
  readonly atUnixMs: number;
}

/** `--url` may lead anywhere. */
export function notTelemetry(route: string): PulselaneError {
  return new PulselaneError('environment', `the answer to ${route} is not that of a Pulselane master`);
}
