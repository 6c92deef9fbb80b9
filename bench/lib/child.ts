/** Child processes of a bench, asked and answered over IPC: what is measured shares no event loop with its load. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export class Child<Request, Answer> {
  readonly #process: ChildProcess;

  constructor(file: string, args: readonly string[] = []) {
    this.#process = fork(fileURLToPath(new URL(`../processes/${file}`, import.meta.url)), [...args], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  }

  /** Sends one request and waits for its answer; one at a time. */
  ask(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null) => reject(new Error(`a bench process ended with ${code}`));
      this.#process.once('exit', ended);
      this.#process.once('message', (answer) => {
        this.#process.off('exit', ended);
        resolve(answer as Answer);
      });
      this.#process.send(request as object);
    });
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.disconnect();
    await ended;
  }
}

/** The other side: answers requests until the parent goes away. */
export function answerParent<Request>(answer: (request: Request) => Promise<unknown>, stop: () => Promise<void>): void {
  process.on('message', (request) => {
    answer(request as Request).then(
      (result) => process.send?.(result ?? {}),
      (error: unknown) => {
        process.stderr.write(`${error}\n`);
        process.exit(1);
      },
    );
  });
  process.on('disconnect', () => {
    stop().finally(() => process.exit(0));
  });
}
