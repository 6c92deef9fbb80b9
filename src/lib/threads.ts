/**
 * Starts threads, and is the only file that knows their scripts. Sources run from `src/` (tests) or `dist/`, but a
 * thread always runs the built script, since stripping types costs each thread 40 ms.
 *
 * A thread's script is read once, before the first is needed, and threads are started from the text: the package may be
 * moved, removed or replaced while the program runs. The single executable contains the scripts.
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
  | 'history/thread'
  | 'http/history/thread'
  | 'http/metrics/thread'
  | 'metrics/export/thread'
  | 'app/alerts/thread'
  | 'agent/thread';

export interface ThreadOptions {
  /** Shown by `top -H` and in stack dumps; the kernel cuts it to 15 bytes. */
  readonly name: string;
  /** What the thread gets from `takeThreadStart`. */
  readonly data: unknown;
  readonly limits?: ResourceLimits;
}

const RUNS_FROM_SOURCE = import.meta.url.endsWith('.ts');

function distUrl(path: string): URL {
  return new URL(RUNS_FROM_SOURCE ? `../../dist/${path}` : `../${path}`, import.meta.url);
}

/** Kept for the life of the process: less than a megabyte each. */
const texts = new Map<ThreadScript, string>();

/**
 * Reads the script of such a thread, unless it was read before.
 * @returns the text, for {@link takeThreadText} in a thread that starts such threads itself
 * @throws PulselaneError `environment` if it cannot be read
 */
export function holdThread(script: ThreadScript): string {
  return textOf(script);
}

/** Sets the script as read by another thread, so that this one need not find it. */
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
 * A script's declarations, and what Node passes to it, would be visible to all code in its thread, including a
 * processor, so they are put into a function. The bundler has replaced `import.meta.url` by THREAD_URL.
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

/** What threads must not inherit. */
const NOTHING_INHERITED = {
  // Flags of the embedding program (--inspect, --import) must not apply to threads.
  execArgv: [] as string[],
  // A thread gets what it needs as data; the environment may contain secrets.
  env: {},
};

export interface StartedThread {
  readonly thread: Worker;
  /** Private: only the thread's entry can access its other end. The Worker's own port is not used. */
  readonly port: MessagePort;
}

/** @throws Error if the system cannot create a thread */
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

/** The next message in the port, if any. */
export function receivedOn(port: MessagePort): { readonly message: unknown } | undefined {
  return receiveMessageOnPort(port);
}

type TakeOutput = (text: Buffer) => void;

/** Undefined: Node passes it to the process's own streams, as suits an embedding program. */
let takeOutput: TakeOutput | undefined;

/** From now on the output of threads is passed to `take`, which must not wait. */
export function relayThreadOutput(take: TakeOutput): void {
  takeOutput = take;
}

/** Limit per stream of a thread and second. Excess waits in the thread's own memory, which is limited. */
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
