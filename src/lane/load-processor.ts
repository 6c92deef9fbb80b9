/** Loads the operator's processor module. */
import { messageOf } from '../lib/errors.ts';
import type { HeartbeatProcessor } from '../model/processor.ts';
import { kindOf } from './kind-of.ts';

/** @throws Error with a message for users if the module does not load or its default export is not a function. */
export async function loadProcessor(url: string): Promise<HeartbeatProcessor> {
  let module: { default?: unknown };
  try {
    module = await import(url);
  } catch (error) {
    throw new Error(`processor ${url} cannot be loaded: ${messageOf(error)}`);
  }
  if (typeof module.default !== 'function') {
    throw new Error(`processor ${url}: its default export is ${kindOf(module.default)}, expected a function`);
  }
  return module.default as HeartbeatProcessor;
}
