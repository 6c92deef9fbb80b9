/** The streams of this process, as its commands use them: none of them holds a thread up, or ends the process. */
import { fstatSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { hasColours } from '../config/colour-environment.ts';
import { isAsciiLocale } from '../config/locale-environment.ts';
import type { Clock } from '../lib/clock.ts';
import { LossyOutput } from '../lib/output/lossy-output.ts';
import { outputDevice } from '../lib/output/output-device.ts';
import { WholeOutput } from '../lib/output/whole-output.ts';
import type { Streams } from './streams.ts';

type TerminalLike = Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };

export interface ProcessStreams {
  /** Of commands that answer and end. */
  readonly answering: Streams & { readonly stdout: WholeOutput };
  /** Of what goes on for long: a log, a prompt. */
  readonly lasting: Streams & { readonly stdout: LossyOutput; readonly stderr: LossyOutput };
}

export function processStreams({ stdin, stdout, stderr }: NodeJS.Process, clock: Clock): ProcessStreams {
  const device = outputDevice(stdout);
  const errors = new LossyOutput({ device: outputDevice(stderr), clock });
  const log = new LossyOutput({ device, clock });
  if (!isSameFile(stdout.fd, stderr.fd)) {
    log.onFailure = (reason) => errors.write(`pulselane: the log cannot be written, lines may be lost: ${reason}\n`);
  }
  // Nobody here writes by them; but Node does (its warnings), and that must not end the process either.
  for (const stream of [stdout, stderr]) stream.on('error', () => {});
  return {
    answering: {
      stdin,
      stdout: likeTerminal(new WholeOutput(device, clock), stdout),
      stderr: likeTerminal(errors, stderr),
      hasColours: hasColours(stdout.isTTY === true),
      isAscii: isAsciiLocale(),
    },
    lasting: { stdin, stdout: likeTerminal(log, stdout), stderr: errors },
  };
}

/** What cannot be written to the one cannot be to the other either; one that is closed is nobody's. */
function isSameFile(left: number, right: number): boolean {
  try {
    const [a, b] = [fstatSync(left), fstatSync(right)];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return true;
  }
}

/** The output with what there is to know of the terminal behind it. */
function likeTerminal<T extends Writable>(output: T, terminal: TerminalLike): T {
  for (const name of ['isTTY', 'columns', 'rows'] as const) {
    Object.defineProperty(output, name, { get: () => terminal[name] });
  }
  if (terminal.isTTY === true) terminal.on('resize', () => output.emit('resize'));
  return output;
}
