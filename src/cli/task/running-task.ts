/**
 * Keeps a task reported for as long as it runs, whatever happens to the agent: connects again when it is gone, and says anew what it is.
 * Nothing here throws or waits for long: what is reported must not change what runs.
 */
import type { HubSocket } from '../../config/hub-socket.ts';
import { type Clock, endsWithin, type Timer } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { connectToHub, type HubClient } from './hub-client.ts';

/** A socket of this machine is there, or is not. */
const CONNECT_WITHIN_MS = 250;
/** Between two attempts; an agent that restarts is back after some seconds. */
const RETRY_MS = { first: 250, last: 5_000 } as const;
/** How long the end of the command may wait until the agent knows of it. */
const FINISH_WITHIN_MS = 2_000;

export interface RunningTaskOptions {
  readonly socket: HubSocket;
  readonly clock: Clock;
  /** With `task_id` and `started_at_unix_ms`, so that it is the same task after a restart of the agent. */
  readonly task: Readonly<Record<string, unknown>>;
  /** Called once at most: there is no agent, or it does not take the task. */
  readonly onTrouble: (message: string) => void;
}

export class RunningTask {
  readonly #options: RunningTaskOptions;
  #client: HubClient | undefined;
  /** The agent knows of it. */
  #isReported = false;
  #wasReported = false;
  #retryMs: number = RETRY_MS.first;
  #timer: Timer | undefined;
  #connecting: Promise<void> = Promise.resolve();
  #isOver = false;
  #hasTold = false;
  /** The agent does not take it: its id is another task's, for example, which must not be ended. */
  #isRefused = false;

  constructor(options: RunningTaskOptions) {
    this.#options = options;
  }

  /** Begins to report it, and waits for the agent's answer. Never rejects. @returns whether the agent has taken it */
  async begin(): Promise<boolean> {
    await this.#try();
    return this.#isReported;
  }

  /** The same, without waiting for an agent that is busy or stopped. */
  async beginAtOnce(): Promise<void> {
    await endsWithin(this.#options.clock, CONNECT_WITHIN_MS, this.#try());
  }

  /** Never rejects, and takes 2 s at most. @param end with its outcome */
  async finish(end: Readonly<Record<string, unknown>>): Promise<void> {
    const { clock } = this.#options;
    const work = this.#finish(end).catch((error: unknown) => this.#trouble(messageOf(error)));
    if (!(await endsWithin(clock, FINISH_WITHIN_MS, work))) this.#trouble('the agent was not told how the task ended');
    this.stop();
  }

  /** Without a word of how it ended. */
  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#client?.close();
  }

  async #finish(end: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#connecting;
    this.#timer?.cancel();
    this.#isOver = true;
    if (this.#isRefused) return;
    const { socket, clock, task } = this.#options;
    this.#client ??= await connectToHub(socket, clock, CONNECT_WITHIN_MS);
    const { task_id: taskId, started_at_unix_ms: startedAt } = task;
    const { error } = await this.#client.send({ task: { task_id: taskId, started_at_unix_ms: startedAt, ...end } });
    if (error !== undefined) this.#trouble(error);
  }

  #try(): Promise<void> {
    this.#connecting = this.#connect().catch((error: unknown) => {
      this.#trouble(messageOf(error));
      this.#tryAgain();
    });
    return this.#connecting;
  }

  async #connect(): Promise<void> {
    const { socket, clock, task } = this.#options;
    const client = await connectToHub(socket, clock, CONNECT_WITHIN_MS);
    this.#client = client;
    void client.closed.then(() => this.#lost(client));
    const { error } = await client.send({ task: { ...task, ...this.#claim() } });
    if (error !== undefined) {
      // It would be refused again: nothing is tried any more.
      this.#isOver = true;
      this.#isRefused = true;
      client.close();
      this.#trouble(`the agent does not take this task: ${error}`);
      return;
    }
    this.#isReported = true;
    this.#wasReported = true;
    this.#retryMs = RETRY_MS.first;
  }

  /** Another task with this id is an error at first; later it is this one, of which somebody else has spoken after a restart of the agent. */
  #claim() {
    return this.#wasReported ? { keep: false } : { new: true };
  }

  #lost(client: HubClient): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#isReported = false;
    this.#tryAgain();
  }

  #tryAgain(): void {
    if (this.#isOver) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(this.#retryMs, () => void this.#try());
    this.#retryMs = Math.min(RETRY_MS.last, this.#retryMs * 2);
  }

  #trouble(message: string): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    this.#options.onTrouble(message);
  }
}
