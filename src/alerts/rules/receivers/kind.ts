/** What a kind of receiver may have in the rule file. */
import type { z } from 'zod';

export interface ReceiverKind<Settings = unknown> {
  /**
   * The fields of a target, without `send_resolved`, after files were read. Messages of its problems never contain a
   * value that may be secret.
   */
  readonly schema: z.ZodType<Settings>;
  /** All fields, for messages and for the JSON schema of the file. */
  readonly fields: Readonly<Record<string, z.ZodType>>;
  /** Fields that may be in a file of their own instead: `<field>_file`. */
  readonly inFiles: readonly string[];
  /** Each is a target, delivered by itself; by default there is one. */
  split?(settings: Settings): readonly unknown[];
  /** Default of `send_resolved`. */
  readonly sendsResolved: boolean;
  /** Only with ALERT_COMMANDS=on. */
  readonly runsCommands: boolean;
}
