/** Where the agent's socket for programs of this machine is, for the agent and for `pulselane task`. */
import { resolve } from 'node:path';

/** Of the setting PULSELANE_SOCKET: no socket. */
export const SOCKET_OFF = 'off';

/** Created by the service manager (`RuntimeDirectory=pulselane`), an administrator, or a container's mount; never by the agent. */
const SYSTEM_SOCKET = '/run/pulselane/agent.sock';
const USER_SOCKET = 'pulselane-agent.sock';

export interface HubSocket {
  /** Absolute paths in the order in which they are tried; empty: no socket. */
  readonly paths: readonly string[];
  /** A user named the path: that it cannot be had is an error. */
  readonly isGiven: boolean;
}

/** @param given the setting PULSELANE_SOCKET; undefined: the usual places */
export function hubSocket(
  given: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): HubSocket {
  if (given === SOCKET_OFF) return { paths: [], isGiven: true };
  if (given !== undefined) return { paths: [resolve(given)], isGiven: true };
  const { XDG_RUNTIME_DIR: folder = '' } = environment;
  return { paths: [SYSTEM_SOCKET, ...(folder === '' ? [] : [resolve(folder, USER_SOCKET)])], isGiven: false };
}
