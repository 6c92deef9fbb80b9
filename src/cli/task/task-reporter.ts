/**
 * Keeps a task reported for as long as it runs, whatever happens to the agent: connects again when it is gone, and says anew what it is.
 * Nothing here throws or waits for long: what is reported must not change what runs.
 */
import type { HubSocket } from '../../config/hub-socket.ts';
import { type Clock, endsWithin, sleep, type Timer } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { ANSWER_WITHIN_MS, connectToHub, type HubAnswer, type HubClient } from './hub-client.ts';

/** A socket of this machine is there, or is not. */
const CONNECT_WITHIN_MS = 250;
/** Between two attempts; an agent that restarts is back after some seconds. */
const RETRY_MS = { first: 250, last: 5_000 } as const;
/** How long the end of the command may wait until the agent knows of it. */
const FINISH_WITHIN_MS = 2_000;
/** Between two attempts to tell the end. */
const FINISH_RETRY_MS = 100;
/** Why an agent would refuse the same line again: the id is another task's, or a flag is wrong. All other reasons pass. */
const FINAL_REASONS: readonly (string | undefined)[] = ['task_exists', 'wrong_member'];

export interface TaskReporterOptions {
  readonly socket: HubSocket;
  readonly clock: Clock;
  /** With `task_id` and `started_at_unix_ms`, so that it is the same task after a restart of the agent. */
  readonly task: Readonly<Record<string, unknown>>;
  /** Called at most once while the command runs, if there is no agent or it does not take the task; and once if its end is lost. */
  readonly onTrouble: (message: string) => void;
}

export class TaskReporter {
  readonly #options: TaskReporterOptions;
  #client: HubClient | undefined;
  /** The agent knows of it. */
  #isReported = false;
  #wasReported = false;
  #retryMs: number = RETRY_MS.first;
  #timer: Timer | undefined;
  #connecting: Promise<void> = Promise.resolve();
  /** Resolves with the answer to the begin of the task on the present connection, or when that connection is gone. */
  #begun: Promise<void> = Promise.resolve();
  #isOver = false;
  #hasTold = false;
  /** The agent will never take it: its id is another task's, for example, which must not be ended. */
  #isRefused = false;
  #isStopped = false;

  constructor(options: TaskReporterOptions) {
    this.#options = options;
  }

  /** Begins to report it, and waits up to 2 s for the agent's answer. Never rejects. @returns whether the agent has taken it */
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
    const { clock, task } = this.#options;
    this.#isOver = true;
    this.#timer?.cancel();
    const line = { task: { task_id: task.task_id, started_at_unix_ms: task.started_at_unix_ms, ...end } };
    const deadlineMs = clock.monotonicMs() + FINISH_WITHIN_MS;
    if (!(await endsWithin(clock, FINISH_WITHIN_MS, this.#tellEnd(line, deadlineMs)))) {
      // An agent that was stopped reads it when it goes on.
      if (!this.#isRefused) this.#client?.say(line);
      this.#endTrouble('the agent does not answer');
    }
    this.stop();
  }

  /** Closes the connection without an end of the task. */
  stop(): void {
    this.#isOver = true;
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#client?.close();
  }

  /** Tries again while an agent that knew the task may be restarting; where there was none, once. Never rejects. */
  async #tellEnd(line: object, deadlineMs: number): Promise<void> {
    const { clock } = this.#options;
    for (;;) {
      let problem: string;
      try {
        const answer = await this.#answerToEnd(line);
        if (this.#isRefused || this.#isStopped || (answer !== undefined && answer.error === undefined)) return;
        problem = answer?.error ?? 'the connection was closed';
        if (FINAL_REASONS.includes(answer?.reason)) deadlineMs = 0;
      } catch (error) {
        problem = messageOf(error);
      }
      if (!this.#wasReported || clock.monotonicMs() + FINISH_RETRY_MS >= deadlineMs) {
        this.#endTrouble(problem);
        return;
      }
      await sleep(clock, FINISH_RETRY_MS);
    }
  }

  /** Undefined without an answer. @throws AgentUnreachable */
  async #answerToEnd(line: object): Promise<HubAnswer | undefined> {
    await this.#connecting;
    // Only the answer tells whether the id is another task's.
    await this.#begun;
    if (this.#isRefused || this.#isStopped) return undefined;
    return (this.#client ?? (await this.#connect())).ask(line);
  }

  #try(): Promise<void> {
    this.#connecting = this.#begin().catch((error: unknown) => {
      this.#trouble(messageOf(error));
      this.#tryAgain();
    });
    return this.#connecting;
  }

  async #begin(): Promise<void> {
    const client = await this.#connect();
    const begun = client.ask({ task: { ...this.#options.task, ...this.#claim() } });
    this.#begun = begun.then((answer) => this.#answered(client, answer));
    // The line waits in the connection of an agent that is stopped or busy. A second connection would begin the task twice.
    if (await endsWithin(this.#options.clock, ANSWER_WITHIN_MS, this.#begun)) return;
    this.#trouble(`the agent at ${client.path} does not answer`);
  }

  #answered(client: HubClient, answer: HubAnswer | undefined): void {
    if (answer === undefined) {
      this.#trouble(`the agent at ${client.path} has closed the connection`);
      return;
    }
    if (answer.error === undefined) {
      this.#isReported = true;
      this.#wasReported = true;
      this.#retryMs = RETRY_MS.first;
      return;
    }
    const isFinal = FINAL_REASONS.includes(answer.reason);
    if (isFinal) {
      this.#isOver = true;
      this.#isRefused = true;
    }
    client.close();
    this.#trouble(`the agent does not take this task${isFinal ? '' : ' now'}: ${answer.error}`);
  }

  /** @throws AgentUnreachable */
  async #connect(): Promise<HubClient> {
    const { socket, clock } = this.#options;
    const client = await connectToHub(socket, clock, CONNECT_WITHIN_MS);
    this.#client = client;
    void client.closed.then(() => this.#lost(client));
    return client;
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

  /** Nothing is told of the end of a task that was never reported, since that was told before. */
  #endTrouble(message: string): void {
    if (this.#wasReported) this.#hasTold = false;
    this.#trouble(`the agent was not told how the task ended: ${message}`);
  }
}
