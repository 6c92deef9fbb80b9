/** Whether a master lives, and whether it should be given work: pure functions of what main told and how old its beat is. */

/** Main's beat is stamped at least every second: ten missed ones are no hiccup. Named in the contract. */
export const UNHEALTHY_BEAT_MS = 10_000;

/** What main tells of itself. Values that cannot be saved are no reason: they come anew with the next heartbeats. */
export interface ReadinessFacts {
  readonly phase: 'starting' | 'serving' | 'stopping';
  /** The last write of the members file failed: who registers now would be forgotten by a restart. */
  readonly membersFileFails: boolean;
  /** The last thread that was to be started was not: new workers, and those whose lane failed, may not be served. */
  readonly threadsFail: boolean;
}

export const STARTING: ReadinessFacts = { phase: 'starting', membersFileFails: false, threadsFail: false };

export const UNREADY_CODES = ['starting', 'stopping', 'main_stuck', 'members_file', 'threads'] as const;

/** Why it is not ready. */
export interface Unready {
  readonly code: (typeof UNREADY_CODES)[number];
  /** For people. */
  readonly detail: string;
}

/** Why the master counts as dead, and is to be started anew; empty: it lives. */
export function deadReasons(beatAgeMs: number): readonly Unready[] {
  if (beatAgeMs <= UNHEALTHY_BEAT_MS) return [];
  const seconds = Math.floor(beatAgeMs / 1000);
  return [{ code: 'main_stuck', detail: `the main thread has given no sign of life for ${seconds} s` }];
}

/** Why the master should be given no work; empty: it is ready. @param beatAgeMs how long ago main stamped its beat */
export function unreadyReasons(
  { phase, membersFileFails, threadsFail }: ReadinessFacts,
  beatAgeMs: number,
): readonly Unready[] {
  return [
    ...(phase === 'starting' ? [{ code: phase, detail: 'the master starts' } as const] : []),
    ...(phase === 'stopping' ? [{ code: phase, detail: 'the master stops' } as const] : []),
    ...deadReasons(beatAgeMs),
    ...(membersFileFails
      ? [
          {
            code: 'members_file',
            detail: 'the members file cannot be written, see the log; it is tried again',
          } as const,
        ]
      : []),
    ...(threadsFail
      ? [{ code: 'threads', detail: 'threads cannot be started, see the log; it is tried again' } as const]
      : []),
  ];
}
