/** The streams that the program reads and writes, handed in so that tests can be the terminal. */
import type { Writable } from 'node:stream';
import type { KeySource } from './prompt/keyboard.ts';

export interface Streams {
  readonly stdin: KeySource & { readonly isTTY?: boolean };
  readonly stdout: Writable & {
    readonly isTTY?: boolean;
    readonly columns?: number;
    readonly rows?: number;
    /** Why what was written is not there, if it is not. */
    readonly failure?: Error | undefined;
  };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Whether stdout is coloured where no flag says otherwise; by default it is not. */
  readonly hasColours?: boolean;
  /** Whether stdout shows nothing but ASCII; by default it is not so. */
  readonly isAscii?: boolean;
}

/** Whether a person sits there, who reads and types. */
export function isTerminal({ stdin, stdout }: Streams): boolean {
  return stdin.isTTY === true && stdout.isTTY === true;
}
