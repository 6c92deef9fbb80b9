/** Describes an error with a file of the data directory; the message names the setting and the file. */
import { messageOf, PulselaneError } from '../../lib/errors.ts';

export function dataFileError(dataDir: string, path: string, error: unknown): PulselaneError {
  const said = messageOf(error);
  const named = said.includes(path) ? said : `${path}: ${said}`;
  return new PulselaneError('environment', `DATA_DIR=${dataDir}: ${named}`, { cause: error });
}
