/** Whether a master is alive, and whether it is ready: pure functions of main's reports and the age of its beat. */
import type { ExportProblemCode, ReceiverKind, ReceiverStatus } from './export-status.ts';
import type { HistoryProblemCode, HistoryStatus } from './history-status.ts';

/** Main stamps its beat at least every second; ten missed ones are not a short pause. Part of the contract. */
export const UNHEALTHY_BEAT_MS = 10_000;

/** Main's report about itself. Values that cannot be saved do not matter: they are restored by the next heartbeats. */
export interface ReadinessFacts {
  readonly phase: 'starting' | 'serving' | 'stopping';
  /** The last write of the members file failed: new registrations would be lost by a restart. */
  readonly membersFileFails: boolean;
  /** The last start of a thread failed: new workers, and those whose lane failed, may not be served. */
  readonly threadsFail: boolean;
}

export const STARTING: ReadinessFacts = { phase: 'starting', membersFileFails: false, threadsFail: false };

export const UNREADY_CODES = ['starting', 'stopping', 'main_stuck', 'members_file', 'threads'] as const;

export const DEGRADED_CODES = ['history', 'export'] as const;

/** A part that does not work while the master is ready nevertheless. */
export interface Degraded {
  readonly code: (typeof DEGRADED_CODES)[number];
  /** Readable text, without names of hosts or files: everybody may read it. */
  readonly detail: string;
  readonly sinceUnixMs: number;
}

const HISTORY_TEXTS: Readonly<Record<HistoryProblemCode, string>> = {
  away: 'its database cannot be reached',
  full: 'its database has no space left',
  read_only: 'its database cannot be written',
  busy: 'another program holds its database',
  newer: 'its database is of a newer version',
  refused: 'its database refuses this master',
  damaged: 'its database is damaged',
  failed: 'its database reports an error',
  slow: 'its database does not answer in time',
  thread: 'its thread does not run',
};

const EXPORT_NAMES: Readonly<Record<ReceiverKind, string>> = {
  remote_write: 'remote write',
  otlp: 'OTLP export',
};

const EXPORT_TEXTS: Readonly<Record<ExportProblemCode, string>> = {
  unreachable: 'its receiver cannot be reached',
  timeout: 'its receiver does not answer in time',
  throttled: 'its receiver asks to wait',
  failed: 'its receiver reports an error',
  refused: 'its receiver refuses what is sent',
  thread: 'its thread does not run',
};

interface Parts {
  /** Undefined: it is off. */
  readonly history: HistoryStatus | undefined;
  readonly receivers: readonly ReceiverStatus[];
}

export function degradedParts({ history, receivers }: Parts): readonly Degraded[] {
  const problem = history?.problem ?? null;
  return [
    ...(problem === null
      ? []
      : [degraded('history', `history is not written: ${HISTORY_TEXTS[problem.code]}; retrying`, problem)]),
    ...receivers.flatMap(({ kind, problem: wrong }) =>
      wrong === null
        ? []
        : [degraded('export', `${EXPORT_NAMES[kind]} does not work: ${EXPORT_TEXTS[wrong.code]}; retrying`, wrong)],
    ),
  ];
}

function degraded(code: Degraded['code'], detail: string, { sinceUnixMs }: { readonly sinceUnixMs: number }): Degraded {
  return { code, detail, sinceUnixMs };
}

/** A reason why the master is not ready. */
export interface Unready {
  readonly code: (typeof UNREADY_CODES)[number];
  /** Readable text. */
  readonly detail: string;
}

/** Why the master counts as dead and should be restarted; empty: it is alive. */
export function deadReasons(beatAgeMs: number): readonly Unready[] {
  if (beatAgeMs <= UNHEALTHY_BEAT_MS) return [];
  const seconds = Math.floor(beatAgeMs / 1000);
  return [{ code: 'main_stuck', detail: `the main thread has not responded for ${seconds} s` }];
}

/** Why the master is not ready; empty: it is ready. @param beatAgeMs time since main's last beat */
export function unreadyReasons(
  { phase, membersFileFails, threadsFail }: ReadinessFacts,
  beatAgeMs: number,
): readonly Unready[] {
  return [
    ...(phase === 'starting' ? [{ code: phase, detail: 'the master is starting' } as const] : []),
    ...(phase === 'stopping' ? [{ code: phase, detail: 'the master is stopping' } as const] : []),
    ...deadReasons(beatAgeMs),
    ...(membersFileFails
      ? [
          {
            code: 'members_file',
            detail: 'the members file cannot be written, see the log; retrying',
          } as const,
        ]
      : []),
    ...(threadsFail ? [{ code: 'threads', detail: 'threads cannot be started, see the log; retrying' } as const] : []),
  ];
}
