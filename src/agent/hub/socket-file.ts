/**
 * A listening Unix socket at a path: takes the place of a dead agent's, never of a living one's, and of no other file.
 *
 * It is bound under another name, gets its mode, and is renamed: at its path it never has another mode, and no moment passes without
 * a socket. Two agents that start in the same moment may both find a dead one's: the later rename wins, and the other one sees it at its next look.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, lstat, rename, rm, stat } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { type Clock, endsWithin } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';

/** Of the group, so that its members may report; nobody else. */
const MODE = 0o660;
/** sun_path of macOS, the shortest, holds 104 bytes with a zero at the end; the name under which it is bound has six more. */
const MAX_PATH_BYTES = 97;
/** A living agent's kernel answers at once, also if the agent is busy. */
const CONNECT_WITHIN_MS = 1_000;

/** Why there is no socket. */
export class SocketRefused extends Error {
  readonly reason: 'no_directory' | 'not_permitted' | 'in_use' | 'other';

  constructor(reason: SocketRefused['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** What is at the path, as the file system tells it apart from others. */
interface FileMark {
  readonly dev: number;
  readonly ino: number;
}

export class SocketFile {
  readonly path: string;
  readonly #mark: FileMark;

  private constructor(path: string, mark: FileMark) {
    this.path = path;
    this.#mark = mark;
  }

  /** @throws SocketRefused */
  static async listen(server: Server, path: string, clock: Clock): Promise<SocketFile> {
    const bytes = Buffer.byteLength(path);
    if (bytes > MAX_PATH_BYTES) {
      throw new SocketRefused('other', `the path has ${bytes} bytes; at most ${MAX_PATH_BYTES} are allowed`);
    }
    const bound = `${path}.${randomBytes(3).toString('base64url').slice(0, 4)}`;
    await bind(server, bound);
    try {
      await chmod(bound, MODE);
      await mustBeFree(path, clock);
      const { dev, ino } = await lstat(bound);
      await rename(bound, path);
      return new SocketFile(path, { dev, ino });
    } catch (error) {
      server.close();
      await rm(bound, { force: true });
      if (error instanceof SocketRefused) throw error;
      throw new SocketRefused('other', messageOf(error));
    }
  }

  /** `ours`, `gone`, or `foreign`: another agent has taken its place. */
  async look(): Promise<'ours' | 'gone' | 'foreign'> {
    const found = await markOf(this.path);
    if (found === undefined) return 'gone';
    return found.dev === this.#mark.dev && found.ino === this.#mark.ino ? 'ours' : 'foreign';
  }

  async remove(): Promise<void> {
    if ((await this.look()) === 'ours') await rm(this.path, { force: true });
  }
}

async function bind(server: Server, path: string): Promise<void> {
  server.listen(path);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Node says EACCES of a directory that is missing, too.
    if (!(await isDirectory(dirname(path)))) throw new SocketRefused('no_directory', 'its directory does not exist');
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
      throw new SocketRefused('not_permitted', 'this user may not create it there');
    }
    throw new SocketRefused('other', messageOf(error));
  }
}

async function isDirectory(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

async function mustBeFree(path: string, clock: Clock): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new SocketRefused('other', 'a file that is no socket is there; expected none');
  if (await isListenedOn(path, clock)) throw new SocketRefused('in_use', 'another agent listens there');
}

/** Refused connections mean that its process is gone. One that is not answered in time is a process that is busy. */
async function isListenedOn(path: string, clock: Clock): Promise<boolean> {
  const socket = connect(path);
  try {
    const connected = once(socket, 'connect');
    connected.catch(() => {});
    await endsWithin(clock, CONNECT_WITHIN_MS, connected);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== 'ECONNREFUSED' && code !== 'ENOENT';
  } finally {
    socket.destroy();
  }
}

async function markOf(path: string): Promise<FileMark | undefined> {
  try {
    const { dev, ino } = await lstat(path);
    return { dev, ino };
  } catch {
    return undefined;
  }
}
