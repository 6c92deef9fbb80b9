/**
 * Writes to a file descriptor without blocking the thread. Files are written by libuv's thread pool. Node sets pipes
 * and sockets to non-blocking when it creates `process.stdout`, but a terminal to blocking, so a terminal is opened
 * again. A device that cannot accept data now reports that, and is retried later.
 */
import { constants, openSync, write } from 'node:fs';

export interface OutputDevice {
  /** Writes a part. @returns the number of bytes; 0: none now. Rejects with the system's error */
  write(bytes: Uint8Array): Promise<number>;
}

/** @param stream the process's stream: Node must have created it, since that sets pipes and sockets to non-blocking */
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

/** Opens the same terminal with separate flags, so that other users of it are not affected. */
function nonBlocking(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // It belongs to another user (`su`), or there is no /proc: a thread of the pool then blocks instead.
    return fd;
  }
}
