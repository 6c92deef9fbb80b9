/**
 * Where threads come from. The one place that knows the files behind them: sources run from `src/` (tests) and from
 * `dist/` (everybody else), but a thread always runs what was built, since stripping types costs each thread 40 ms.
 *
 * A thread's script is read once, before the first is needed, and each is started from the text: the package may be moved,
 * removed or replaced by another version under a program that runs. The single executable carries the scripts in itself.
 */
import { readFileSync } from 'node:fs';
import { getAsset, isSea } from 'node:sea';
import type { Readable } from 'node:stream';
import {
  MessageChannel,
  type MessagePort,
  type ResourceLimits,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads';
import { systemClock } from './clock.ts';
import { messageOf, PulselaneError } from './errors.ts';
import { keepWorkingDirectory } from './working-directory.ts';

export type ThreadScript =
  | 'lane/thread'
  | 'lane/processor-thread'
  | 'http/thread'
  | 'http/query/thread'
  | 'agent/thread';

export interface ThreadOptions {
  /** Shown by `top -H` and in stack dumps; the kernel cuts it after 15 bytes. */
  readonly name: string;
  /** What the thread takes with `takeThreadStart`. */
  readonly data: unknown;
  readonly limits?: ResourceLimits;
}

const RUNS_FROM_SOURCE = import.meta.url.endsWith('.ts');

function distUrl(path: string): URL {
  return new URL(RUNS_FROM_SOURCE ? `../../dist/${path}` : `../${path}`, import.meta.url);
}

/** Read, and kept for as long as the process lives: under a megabyte each. */
const texts = new Map<ThreadScript, string>();

/**
 * Reads what such a thread is started from, unless it was read before.
 * @returns it, for {@link takeThreadText} in a thread that starts such threads itself.
 * @throws PulselaneError `environment` if it cannot be read
 */
export function holdThread(script: ThreadScript): string {
  return textOf(script);
}

/** Another thread has read what such a thread is started from: this one need not find it. */
export function takeThreadText(script: ThreadScript, text: string): void {
  texts.set(script, text);
}

function textOf(script: ThreadScript): string {
  let text = texts.get(script);
  if (text !== undefined) return text;
  try {
    text = closed(readBuilt(`${script}.cjs`));
  } catch (error) {
    if (RUNS_FROM_SOURCE) throw notBuilt(`${script}.cjs`);
    throw new PulselaneError('environment', `the package is incomplete: ${messageOf(error)}`, { cause: error });
  }
  texts.set(script, text);
  return text;
}

function readBuilt(path: string): string {
  return isSea() ? getAsset(path, 'utf8') : readFileSync(distUrl(path), 'utf8');
}

/**
 * What a script declares is seen by all that runs in its thread, and so is what Node hands to it: neither is the business
 * of a processor. The bundler has put THREAD_URL in the place of `import.meta.url`.
 */
function closed(script: string): string {
  const url = JSON.stringify(distUrl('lib/threads.js').href);
  const handed = ['require', 'module', 'exports', '__filename', '__dirname'];
  const hide = handed.map((name) => `delete globalThis.${name};`).join('');
  return `(function(THREAD_URL,${handed}){'use strict';${hide}${script}\n})(${url},${handed})`;
}

function notBuilt(file: string): PulselaneError {
  return new PulselaneError('environment', `dist/${file} is not built: run "npm run build"`);
}

/** What no thread inherits. */
const NOTHING_INHERITED = {
  // A flag meant for the embedding program (--inspect, --import) must not reach every thread.
  execArgv: [] as string[],
  // A thread is given what it needs; the environment may hold secrets.
  env: {},
};

export interface StartedThread {
  readonly thread: Worker;
  /** Private: nothing in the thread can reach its other end but the thread's entry. The Worker's own port is not used. */
  readonly port: MessagePort;
}

/** @throws Error if the system has no thread to give */
export function startThread(script: ThreadScript, { name, data, limits }: ThreadOptions): StartedThread {
  const text = textOf(script);
  keepWorkingDirectory();
  const take = takeOutput;
  const isRelayed = take !== undefined;
  const { port1: port, port2 } = new MessageChannel();
  try {
    const thread = new Worker(text, {
      eval: true,
      name,
      workerData: { port: port2, data },
      transferList: [port2],
      stdout: isRelayed,
      stderr: isRelayed,
      ...NOTHING_INHERITED,
      ...(limits === undefined ? {} : { resourceLimits: limits }),
    });
    if (take !== undefined) for (const stream of [thread.stdout, thread.stderr]) relay(stream, take);
    return { thread, port };
  } catch (error) {
    port.close();
    throw error;
  }
}

/** The next message that waits in the port, if there is one. */
export function receivedOn(port: MessagePort): { readonly message: unknown } | undefined {
  return receiveMessageOnPort(port);
}

type TakeOutput = (text: Buffer) => void;

/** Undefined: Node hands it to the process's own streams, as suits a program that embeds the engine. */
let takeOutput: TakeOutput | undefined;

/** From now on whatever threads print is given to `take`, which must not wait. */
export function relayThreadOutput(take: TakeOutput): void {
  takeOutput = take;
}

/** Of one stream of one thread in a second. What is beyond it waits in the thread's own memory, which is limited. */
const RELAYED_BYTES_PER_S = 64 * 1024;

function relay(stream: Readable, take: TakeOutput): void {
  let bytes = 0;
  stream.on('data', (text: Buffer) => {
    take(text);
    bytes += text.length;
    if (bytes < RELAYED_BYTES_PER_S || stream.isPaused()) return;
    stream.pause();
    systemClock.after(1000, () => {
      bytes = 0;
      stream.resume();
    });
  });
}
