import { readFileSync } from 'node:fs';

/** Whether there is such a process that has not ended: one that nobody has waited for yet has. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
