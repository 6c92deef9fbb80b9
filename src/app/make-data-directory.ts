/** Creates the data directory before anything uses it, so that a file system that hangs is an error at the start. */
import { type Clock, endsWithin } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { makeDirectory } from '../lib/make-directory.ts';

/** A sleeping disk takes less; a remote disk whose server is gone may take for ever. */
const MADE_WITHIN_MS = 5000;

/**
 * A directory that cannot be created is reported by its lock, which comes next.
 * @throws PulselaneError `environment`, naming DATA_DIR, if the file system does not answer
 */
export async function makeDataDirectory(dataDir: string, clock: Clock, make = makeDirectory): Promise<void> {
  const making = make(dataDir).catch(() => {});
  if (await endsWithin(clock, MADE_WITHIN_MS, making)) return;
  const reason = `its file system does not answer within ${MADE_WITHIN_MS / 1000} s`;
  throw new PulselaneError('environment', `DATA_DIR=${dataDir}: ${reason}`);
}
