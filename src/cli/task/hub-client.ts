/** Speaks with the agent of this machine over its socket: lines out, an answer to each. */
import { connect, type Socket } from 'node:net';
import type { HubSocket } from '../../config/hub-socket.ts';
import { type Clock, endsWithin } from '../../lib/clock.ts';

/** An agent that is alive answers at once; one that is stopped or starved is not waited for. */
export const ANSWER_WITHIN_MS = 2_000;
/** Answers are short: whoever sends more is no agent. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** The agent cannot be told. */
export class AgentUnreachable extends Error {}

export interface HubAnswer {
  /** What was wrong; undefined if the line was taken. */
  readonly error: string | undefined;
  /** The same for programs, such as `task_exists`. */
  readonly reason: string | undefined;
  /** The task that ended was not known. */
  readonly wasUnknown: boolean;
}

/** @throws AgentUnreachable */
export async function connectToHub({ paths }: HubSocket, clock: Clock, withinMs: number): Promise<HubClient> {
  if (paths.length === 0) throw new AgentUnreachable('the socket of the agent is off (PULSELANE_SOCKET=off)');
  let denied: string | undefined;
  for (const path of paths) {
    try {
      return await HubClient.connect(path, clock, withinMs);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM') denied ??= path;
      else if (error instanceof AgentUnreachable) throw error;
    }
  }
  throw new AgentUnreachable(
    denied === undefined
      ? `no agent listens at ${paths.join(' or ')} (--socket, PULSELANE_SOCKET)`
      : `this user may not use the agent's socket ${denied}; members of its group may`,
  );
}

export class HubClient {
  readonly path: string;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, (answer: HubAnswer) => void>();
  readonly #closed = Promise.withResolvers<void>();
  #text = '';
  #lastId = 0;

  private constructor(path: string, socket: Socket, clock: Clock) {
    this.path = path;
    this.#socket = socket;
    this.#clock = clock;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#read(text));
    socket.once('close', () => this.#closed.resolve());
  }

  /** @throws as `connect` of the system, AgentUnreachable if it takes too long */
  static async connect(path: string, clock: Clock, withinMs: number): Promise<HubClient> {
    const socket = connect(path);
    const connected = Promise.withResolvers<void>();
    socket.once('connect', () => connected.resolve());
    // Also later: a connection that breaks is closed, which is all that there is to know.
    socket.on('error', (error) => connected.reject(error));
    try {
      if (!(await endsWithin(clock, withinMs, connected.promise))) {
        throw new AgentUnreachable(`the agent at ${path} does not answer`);
      }
      return new HubClient(path, socket, clock);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /** Resolves when the connection is gone, whoever ended it. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** @throws AgentUnreachable if there is no answer in time */
  async send(line: object): Promise<HubAnswer> {
    const first = this.ask(line);
    const answer = (await endsWithin(this.#clock, ANSWER_WITHIN_MS, first)) ? await first : undefined;
    if (answer === undefined) throw new AgentUnreachable(`the agent at ${this.path} does not answer`);
    return answer;
  }

  /** Waits until the connection is gone, which resolves to undefined. Never rejects. */
  async ask(line: object): Promise<HubAnswer | undefined> {
    const id = ++this.#lastId;
    const answered = Promise.withResolvers<HubAnswer>();
    this.#waiting.set(id, answered.resolve);
    this.say({ id, ...line });
    const answer = await Promise.race([answered.promise, this.closed.then(() => undefined)]);
    this.#waiting.delete(id);
    return answer;
  }

  /** Waits for no answer. */
  say(line: object): void {
    this.#socket.write(`${JSON.stringify(line)}\n`);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#text += text;
    const lines = this.#text.split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) this.#take(line);
    if (this.#text.length > MAX_ANSWER_BYTES) this.#socket.destroy();
  }

  /** Whatever it is, it must do no harm: the file at the path may be another program's. */
  #take(line: string): void {
    let answer: unknown;
    try {
      answer = JSON.parse(line);
    } catch {
      return;
    }
    if (typeof answer !== 'object' || answer === null) return;
    const { id, error, reason, unknown_task: unknown } = answer as Readonly<Record<string, unknown>>;
    // An agent that has no room for connections says so before it knows of any line.
    const ids = typeof id === 'number' ? [id] : typeof error === 'string' ? [...this.#waiting.keys()] : [];
    for (const known of ids) {
      this.#waiting.get(known)?.({
        error: typeof error === 'string' ? error : undefined,
        reason: typeof reason === 'string' ? reason : undefined,
        wasUnknown: unknown === true,
      });
    }
  }
}
