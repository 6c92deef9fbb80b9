/**
 * A file descriptor that is written without ever holding up the thread. Files are written by libuv's thread pool. Pipes and
 * sockets are set to non-blocking by Node itself when it makes `process.stdout`; a terminal it sets to blocking, so that
 * one is opened anew. What cannot take anything now says so, and is asked again later.
 */
import { constants, openSync, write } from 'node:fs';

export interface OutputDevice {
  /** Writes some of it. @returns how many bytes; 0: none now. Rejects with what the system says. */
  write(bytes: Uint8Array): Promise<number>;
}

/** @param stream of the process: made by Node already, since that is what sets pipes and sockets to non-blocking */
export function outputDevice(stream: { readonly fd: number; readonly isTTY?: boolean }): OutputDevice {
  const fd = stream.isTTY === true ? nonBlocking(stream.fd) : stream.fd;
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        write(fd, bytes, 0, bytes.length, null, (error, written) => {
          if (error === null) resolve(written);
          else if (error.code === 'EAGAIN' || error.code === 'EINTR') resolve(0);
          else reject(error);
        });
      }),
  };
}

/** The same terminal with flags of its own: nobody else's reads and writes are changed. */
function nonBlocking(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // It belongs to another user (`su`), or there is no /proc: a thread of the pool waits for it then.
    return fd;
  }
}
