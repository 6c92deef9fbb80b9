/**
 * Refuses a Node that is too old, in one sentence. The package's entries import this file first: imports are evaluated
 * in their order, so nothing that an old Node lacks is called before.
 */
import { PulselaneError } from './errors.ts';

/** The same as "engines" in package.json, which a bundle has no access to. */
export const OLDEST_NODE = '24.15';

/** @throws PulselaneError `environment` if `version`, such as `20.20.2`, is older than {@link OLDEST_NODE} */
export function requireNode(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE.split('.').map(Number);
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new PulselaneError('environment', `pulselane needs Node ${OLDEST_NODE} or newer; this is Node ${version}`);
}

requireNode(process.versions.node);
