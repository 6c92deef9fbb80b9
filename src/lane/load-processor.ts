/** Loads an operator's processor. */
import { fileURLToPath } from 'node:url';
import { messageOf } from '../lib/errors.ts';
import { kindOf } from '../lib/kind-of.ts';
import type { HeartbeatProcessor } from '../model/processor.ts';
import { sourcePlace } from './source-place.ts';

/**
 * @throws Error with a message for users, including the place in the source, if the module does not load or its default
 * export is not a function
 */
export async function loadProcessor(url: string): Promise<HeartbeatProcessor> {
  const path = fileURLToPath(url);
  let module: { default?: unknown };
  try {
    module = await import(url);
  } catch (error) {
    const place = sourcePlace(error, url);
    const where = place === undefined ? '' : ` at ${place}`;
    throw new Error(`processor ${path} cannot be loaded: ${reasonOf(error, url)}${where}`);
  }
  if (typeof module.default !== 'function') {
    throw new Error(`processor ${path}: its default export is ${kindOf(module.default)}, expected a function`);
  }
  return module.default as HeartbeatProcessor;
}

/** If the file itself is missing, Node's own message is about an import by an internal name. */
function reasonOf(error: unknown, url: string): string {
  const { code, url: missing } = error as { code?: unknown; url?: unknown };
  return code === 'ERR_MODULE_NOT_FOUND' && missing === url ? 'no such file' : messageOf(error);
}
