/**
 * Where threads come from. The one place that knows the files behind them: sources run from `src/` (tests) and from
 * `dist/` (everybody else), but a thread always loads the built file, since stripping types costs each thread 40 ms.
 */
import { existsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import {
  MessageChannel,
  type MessagePort,
  type ResourceLimits,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads';
import { systemClock } from './clock.ts';
import { PulselaneError } from './errors.ts';

export type ThreadFile = 'lane/thread' | 'http/thread' | 'http/query/thread' | 'agent/thread';

export interface ThreadOptions {
  /** Shown by `top -H` and in stack dumps; the kernel cuts it after 15 bytes. */
  readonly name: string;
  /** What the thread takes with `takeThreadStart`. */
  readonly data: unknown;
  readonly limits?: ResourceLimits;
}

const RUNS_FROM_SOURCE = import.meta.url.endsWith('.ts');

function threadUrl(file: ThreadFile): URL {
  return new URL(RUNS_FROM_SOURCE ? `../../dist/${file}.js` : `../${file}.js`, import.meta.url);
}

/**
 * The path of a thread's file, for a pool that starts the threads itself.
 * @throws PulselaneError `environment` if it is not built
 */
export function threadPath(file: ThreadFile): string {
  const path = fileURLToPath(threadUrl(file));
  if (RUNS_FROM_SOURCE && !existsSync(path)) {
    throw new PulselaneError('environment', `dist/${file}.js is not built: run "npm run build"`);
  }
  return path;
}

/** What no thread inherits. */
export const NOTHING_INHERITED = {
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
export function startThread(file: ThreadFile, { name, data, limits }: ThreadOptions): StartedThread {
  const take = takeOutput;
  const isRelayed = take !== undefined;
  const { port1: port, port2 } = new MessageChannel();
  try {
    const thread = new Worker(threadPath(file), {
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
