/** What people ask of the alerts thread, over HTTP or at the prompt, and its replies. */
import type { ErrorCode } from '../lib/errors.ts';
import type { NewSilence } from './silence.ts';

export type AlertCommand =
  | { readonly type: 'silence'; readonly silence: NewSilence }
  | { readonly type: 'expire-silence'; readonly silenceId: string }
  /** Reads the rule file again. */
  | { readonly type: 'reload-rules' }
  /** Sends a marked trial to each target of the receiver, past the queue. */
  | {
      readonly type: 'test-receiver';
      readonly receiver: string;
      /** Do not send its end. */
      readonly isFiringOnly?: boolean;
    };

/** Something that is wrong with the rule file; lines and columns count from 1. */
export interface FileProblem {
  readonly message: string;
  readonly line?: number;
  readonly column?: number;
}

/** What one target of a receiver made of a trial. */
export interface TrialResult {
  readonly kind: string;
  readonly target: number;
  readonly isSent: boolean;
  /** Why not; empty if it was sent. Without secrets. */
  readonly detail: string;
}

export type AlertReply =
  | {
      readonly ok: true;
      /** For people. */
      readonly message: string;
      /** Of `silence`. */
      readonly silenceId?: string;
      /** Of `test-receiver`. */
      readonly trials?: readonly TrialResult[];
    }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      /** Of `reload-rules`, with `code: 'invalid_rules'`: all problems of the file. */
      readonly problems?: readonly FileProblem[];
    };
