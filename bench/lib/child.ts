/** Child processes of a bench, called over IPC, so that what is measured shares no event loop with its load. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The calls of a process, by name: see `processes/`. */
// biome-ignore lint/suspicious/noExplicitAny: any parameters, any answer
export type Calls = Readonly<Record<string, (...parameters: any[]) => unknown>>;

interface Request {
  readonly id: number;
  readonly name: string;
  readonly parameters: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** A child that has not ended by itself is killed after this time. */
const STOP_WITHIN_MS = 10_000;
const PROCESSES = new URL('../processes/', import.meta.url);

export class Child<C extends Calls> {
  readonly #file: string;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #exit: Promise<void>;
  #nextId = 1;

  /** `file`: a name in `processes/`, or the URL of a file elsewhere. */
  constructor(file: string, execArgv: readonly string[] = []) {
    this.#file = file;
    this.#process = fork(fileURLToPath(new URL(file, PROCESSES)), {
      execArgv: [...execArgv],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#process.on('message', (answer: Answer) => this.#answered(answer));
    this.#exit = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`${file} ended with ${code ?? signal}`));
        resolve();
      });
    });
  }

  call<Name extends keyof C & string>(
    name: Name,
    ...parameters: Parameters<C[Name]>
  ): Promise<Awaited<ReturnType<C[Name]>>> {
    const request: Request = { id: this.#nextId++, name, parameters };
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(request.id, answer);
    this.#process.send(request, (error) => {
      if (error !== null) answer.reject(new Error(`${this.#file} does not hear: ${error.message}`));
    });
    return answer.promise as Promise<Awaited<ReturnType<C[Name]>>>;
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  /** Kills the process, as in a crash. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#exit;
  }

  /** Lets the process end, or kills it. */
  async stop(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    const kill = setTimeout(() => this.#process.kill('SIGKILL'), STOP_WITHIN_MS);
    await this.#exit;
    clearTimeout(kill);
  }

  #answered({ id, value, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(`${this.#file}: ${error}`));
  }
}

export type StartChild = <C extends Calls>(file: string, execArgv?: readonly string[]) => Child<C>;

/** Ends all children that `work` started, at once, also if it fails. */
export async function withChildren<T>(work: (start: StartChild) => Promise<T>): Promise<T> {
  const children: Child<Calls>[] = [];
  try {
    return await work((file, execArgv) => {
      const child = new Child(file, execArgv);
      children.push(child);
      return child as never;
    });
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

/** The child's side: answers calls until the parent disconnects. */
export function answerParent(calls: Calls, stop: () => Promise<void> = async () => {}): void {
  process.on('message', async ({ id, name, parameters }: Request) => {
    let answer: Answer;
    try {
      const call = calls[name];
      if (call === undefined) throw new Error(`there is no call ${name}`);
      answer = { id, value: await call(...parameters) };
    } catch (error) {
      answer = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    if (process.connected) process.send?.(answer);
  });
  process.on('disconnect', () => {
    stop().finally(() => process.exit());
  });
}
