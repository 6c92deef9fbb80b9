/** Groups of families, as `collect[]` names them. */
import { WORKER_COLLECTIONS } from '../workers/families.ts';

/** `master`: the master's own families and those of its process. */
export const COLLECTIONS = ['master', ...WORKER_COLLECTIONS] as const;
export type Collection = (typeof COLLECTIONS)[number];

export function isCollection(name: string): name is Collection {
  return (COLLECTIONS as readonly string[]).includes(name);
}
