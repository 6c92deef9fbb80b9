/**
 * Lives of a worker's process. Each has an id of its own; one that is new with the same worker id is a restart of the
 * worker, and whatever an older one still sends is refused while the newer one is there. Workers that name no instance (legacy ones) are taken as
 * they come.
 */

/** Newest first. */
export type Instances = readonly string[];

/**
 * Enough to tell a straggler from a newcomer; a worker that restarts in a loop must not fill memory. One that is refused
 * counts as heard of just now, so that it is not forgotten while it keeps trying.
 */
export const MAX_INSTANCES = 16;

/** `unnamed`: nothing can be told. */
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

/** It speaks for the worker from now on. */
export function withInstance(known: Instances, instanceId: string): Instances {
  return [instanceId, ...known.filter((id) => id !== instanceId)].slice(0, MAX_INSTANCES);
}

/** Whether the instance may say farewell for the worker while it is there: it must be the one that speaks for it. */
export function maySayFarewell([current = '']: Instances, instanceId: string): boolean {
  return instanceId === current;
}
