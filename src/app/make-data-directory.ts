/** The data directory, made before anything uses it: whatever does not return there is an error of the start. */
import { type Clock, endsWithin } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { makeDirectory } from '../lib/make-directory.ts';

/** A disk that has to wake up takes less; one on a server that is gone may take for ever. */
const MADE_WITHIN_MS = 5000;

/**
 * That it cannot be made is told by its lock, which comes next.
 * @throws PulselaneError `environment`, naming DATA_DIR, if the file system does not answer
 */
export async function makeDataDirectory(dataDir: string, clock: Clock, make = makeDirectory): Promise<void> {
  const making = make(dataDir).catch(() => {});
  if (await endsWithin(clock, MADE_WITHIN_MS, making)) return;
  const reason = `its file system does not answer within ${MADE_WITHIN_MS / 1000} s`;
  throw new PulselaneError('environment', `DATA_DIR=${dataDir}: ${reason}`);
}
