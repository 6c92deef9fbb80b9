/** The messages between the host program and the agent's thread: one union per direction. */
import type { ErrorCode } from '../lib/errors.ts';
import type { RunningTask } from '../model/telemetry.ts';
import type { NumberedEnd } from './ended-tasks.ts';
import type { ReportFields, ReportLevel } from './report.ts';
import type { AgentSettings } from './settings.ts';

export type ToThread =
  /** The first message, with all state: a restarted thread has none. */
  | {
      readonly type: 'begin';
      readonly settings: AgentSettings;
      readonly tasks: readonly RunningTask[];
      readonly metrics: readonly (readonly [name: string, value: number])[];
      readonly ended: readonly NumberedEnd[];
      readonly nextSequence: number;
    }
  | { readonly type: 'task'; readonly task: RunningTask }
  | { readonly type: 'task-removed'; readonly taskId: string }
  | { readonly type: 'task-ended'; readonly end: NumberedEnd }
  | { readonly type: 'metric'; readonly name: string; readonly value: number }
  | { readonly type: 'metric-removed'; readonly name: string }
  /** Sent from the host's event loop. */
  | { readonly type: 'probe-answered'; readonly probe: number }
  /** Say farewell and release everything; answered by `stopped`. */
  | { readonly type: 'stop' };

export type FromThread =
  /** Measuring and, if asked for, listening; not necessarily connected. */
  | { readonly type: 'ready'; readonly listening: string | undefined }
  /** Cannot begin, and has released everything. */
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string }
  /** To be answered at once with `probe-answered`: the time until then is the host's lag. */
  | { readonly type: 'probe'; readonly probe: number }
  /** A heartbeat is about to be sent: a restarted thread continues after this sequence number. */
  | { readonly type: 'beat'; readonly sequence: number }
  /** All ended tasks up to this number are told to a master, or dropped: a restarted thread need not tell them. */
  | { readonly type: 'ended-told'; readonly upTo: number }
  /** A master pointed this agent at itself. */
  | { readonly type: 'master'; readonly master: string }
  /** Process groups that run now, by their leaders: ended by the host if the thread no longer can. */
  | { readonly type: 'groups'; readonly leaders: readonly number[] }
  | { readonly type: 'report'; readonly level: ReportLevel; readonly message: string; readonly fields: ReportFields }
  | { readonly type: 'stopped' };
