/**
 * Instances of a worker: runs of its process, each with its own id. A new instance id with the same worker id is a
 * restart of the worker; heartbeats of older instances are refused while the newer one is present. Workers without
 * instance ids (legacy ones) are not checked.
 */

/** Newest first. */
export type Instances = readonly string[];

/**
 * Enough to distinguish older instances from new ones; limited, since a worker may restart in a loop. A refused
 * instance moves to the front, so that it is not dropped while it keeps trying.
 */
export const MAX_INSTANCES = 16;

/** `unnamed`: unknown. */
export type InstanceKind = 'unnamed' | 'current' | 'older' | 'newer';

export function instanceKind(known: Instances, instanceId: string): InstanceKind {
  if (instanceId === '') return 'unnamed';
  const age = known.indexOf(instanceId);
  if (age === 0) return 'current';
  return age > 0 ? 'older' : 'newer';
}

/** The older instance has just tried again. */
export function withRefused(known: Instances, instanceId: string): Instances {
  const [current = '', ...older] = known;
  return [current, instanceId, ...older.filter((id) => id !== instanceId)];
}

/** The instance speaks for the worker from now on. */
export function withInstance(known: Instances, instanceId: string): Instances {
  return [instanceId, ...known.filter((id) => id !== instanceId)].slice(0, MAX_INSTANCES);
}

/** Whether the instance may say farewell for a present worker: it must be the current one. */
export function maySayFarewell([current = '']: Instances, instanceId: string): boolean {
  return instanceId === current;
}
