/**
 * One connection to the server. It is opened when it is first needed, and again after it was lost. Every answer is waited for at
 * most {@link ANSWER_MS}. One call at a time: whoever shares a connection waits for the call before.
 */
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { databaseAddress, formatDatabase } from '../../config/database-url.ts';
import { HistoryError } from '../history-error.ts';
import { historyErrorOf } from './errors.ts';

/** Until then a server must be reached: a few retries of TCP. */
const CONNECT_MS = 10_000;
/** The server itself ends a statement that takes longer. A batch takes milliseconds, a long range some seconds. */
const STATEMENT_MS = 30_000;
/** More than a checkpoint or a short maintenance by hand; less than what the rings hold. */
export const LOCK_MS = 5_000;
/** A transaction that its client has left open would hold up vacuum. */
const IDLE_MS = 60_000;
/** Longer than the server's own bound: past it, the connection is dead although nobody has said so. */
const ANSWER_MS = STATEMENT_MS + 5_000;
/** From then on the system asks whether an idle connection still stands. */
const KEEP_ALIVE_MS = 10_000;
/** How often a server looks whether its client still waits, while it works. */
const CHECK_CLIENT_MS = 1_000;

export type Row = readonly (string | null)[];

/** Values arrive as texts, and each reader of rows knows what they are. */
const AS_TEXT = { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig;

export class Connection {
  /** `host:port/database` */
  readonly where: string;
  readonly #url: string;
  readonly #afterConnect: (connection: Connection) => Promise<void>;
  #client: pg.Client | undefined;
  #isPrepared = false;
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** @param afterConnect runs in each new connection before anything else */
  constructor(url: string, afterConnect: (connection: Connection) => Promise<void>) {
    this.#url = url;
    this.where = formatDatabase(databaseAddress(url));
    this.#afterConnect = afterConnect;
  }

  /**
   * Runs `use` when all earlier ones are through, with the connection open.
   * @throws HistoryError whatever happens
   */
  async exclusively<T>(use: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      if (this.#isClosed) throw new HistoryError('failed', 'history is closed');
      await this.#connect();
      return use();
    });
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } catch (error) {
      throw this.errorOf(error);
    }
  }

  /** Runs `use` between `begin` and `end`; an error undoes it. Within {@link exclusively}. */
  async transaction<T>(
    begin: string,
    use: (begun: readonly (readonly Row[])[]) => Promise<T>,
    end: 'COMMIT' | 'ROLLBACK' = 'COMMIT',
  ): Promise<T> {
    try {
      const value = await use(await this.statements(begin));
      await this.rows(end);
      return value;
    } catch (error) {
      if (this.#client !== undefined) await this.rows('ROLLBACK').catch(() => this.drop());
      throw error;
    }
  }

  async rows(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const client = this.#open();
    const { rows } = await this.#answered(
      client.query<string[]>({ text, values: [...values], rowMode: 'array', types: AS_TEXT }),
    );
    return rows;
  }

  /** Several statements without parameters in one round trip. @returns the rows of each */
  async statements(text: string): Promise<readonly (readonly Row[])[]> {
    const client = this.#open();
    const results = await this.#answered(client.query<string[]>({ text, rowMode: 'array', types: AS_TEXT }));
    return [results].flat().map(({ rows }) => rows);
  }

  /** @param statement `COPY … FROM STDIN …` */
  async copy(statement: string, data: Uint8Array): Promise<void> {
    const stream = this.#open().query(copyFrom(statement));
    await this.#answered(
      new Promise<void>((resolve, reject) => {
        stream.once('error', reject);
        stream.once('finish', resolve);
        stream.end(data);
      }),
    );
  }

  /** Ends the connection at once; the server then ends what it does for it. What waits for an answer fails. */
  drop(): void {
    const client = this.#client;
    this.#client = undefined;
    this.#isPrepared = false;
    // @types/pg does not declare it, but it is documented as the way to end a connection whose server is silent.
    (client as unknown as { connection: { stream: { destroy(): void } } } | undefined)?.connection.stream.destroy();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  errorOf(error: unknown): HistoryError {
    const historyError = historyErrorOf(error, this.where, this.#password);
    if (historyError.kind === 'away') this.drop();
    return historyError;
  }

  #password: string | null | undefined;

  #open(): pg.Client {
    if (this.#client === undefined)
      throw new HistoryError('away', `PostgreSQL at ${this.where}: the connection is lost`);
    return this.#client;
  }

  async #connect(): Promise<void> {
    if (this.#client === undefined) await this.#newClient();
    if (this.#isPrepared) return;
    // What the server lacks of these is no reason to do without it: poolers know few settings, some systems no such check.
    await this.rows(
      `SELECT set_config(name, value, false) FROM (VALUES
        ('statement_timeout', '${STATEMENT_MS}'), ('lock_timeout', '${LOCK_MS}'),
        ('idle_in_transaction_session_timeout', '${IDLE_MS}'), ('jit', 'off')) AS wanted (name, value)`,
    );
    await this.rows(`SET client_connection_check_interval = ${CHECK_CLIENT_MS}`).catch((error) => {
      if (this.errorOf(error).kind === 'away') throw error;
    });
    await this.#afterConnect(this);
    this.#isPrepared = true;
  }

  async #newClient(): Promise<void> {
    const client = new pg.Client({
      connectionString: withExplicitSsl(this.#url),
      fallback_application_name: 'pulselane',
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    });
    this.#password = typeof client.password === 'string' ? client.password : undefined;
    // Without a listener the loss of an idle connection would end the process. The next call reports it.
    client.on('error', () => {
      if (this.#client === client) this.drop();
    });
    try {
      await client.connect();
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    this.#client = client;
  }

  async #answered<T>(answer: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.drop(), ANSWER_MS);
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * The driver takes `prefer`, `require` and `verify-ca` for `verify-full`, and prints a warning that it will not for ever. Its
 * present meaning is the safe one.
 */
function withExplicitSsl(url: string): string {
  if (/[?&]uselibpqcompat=/.test(url)) return url;
  return url.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/, '$1verify-full');
}
