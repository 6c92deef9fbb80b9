/** Joins notify/ with delivery/. */
import type { AlertsSettings } from '../../alerts/messages.ts';
import type { Notices } from '../../alerts/parts.ts';
import type { Log } from '../../alerts/port-side.ts';

export function makeNotices(_settings: AlertsSettings, _log: Log): Notices {
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
    receivers: [],
    maxQueued: 0,
    change: () => undefined,
    trial: async (receiver) => ({ ok: false, code: 'not_found', message: `there is no receiver ${receiver}` }),
    stop: async () => {},
  };
}
