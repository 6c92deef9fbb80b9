/** Notices that send nothing, for tests of what comes before them. */
import type { Notices } from '../../src/alerts/parts.ts';

export function quietNotices(settings: Partial<Notices> = {}): Notices {
  return {
    load: () => {},
    plan: () => {},
    dueInMs: () => undefined,
    suppressionOf: () => ({ silencedBy: [], inhibitedBy: [], mutedBy: [] }),
    takeShown: () => [],
    read: () => {},
    write: () => {},
    written: () => {},
    silences: [],
    problem: undefined,
    receivers: [],
    deadLetters: [],
    maxQueued: 0,
    change: () => undefined,
    trial: async () => ({ ok: true, message: '' }),
    stop: async () => {},
    ...settings,
  };
}
