/** What a service manager with systemd's notification protocol (sd_notify(3)) passed to this process. */

export interface ServiceManager {
  /** Its datagram socket: a path, or an abstract name that begins with `@`. */
  readonly socket: string;
  /** It restarts the service unless it gets a watchdog ping this often; undefined: it expects none. */
  readonly watchdogMs: number | undefined;
  /** Search path for `systemd-notify`. */
  readonly path: string;
}

/** Undefined: no service manager expects notifications. */
export function serviceManager(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  pid = process.pid,
): ServiceManager | undefined {
  const { NOTIFY_SOCKET: socket = '', PATH: path = '' } = environment;
  // Other kinds of socket may be unknown to systemd-notify.
  if (!/^[/@]./.test(socket)) return undefined;
  return { socket, watchdogMs: watchdogMs(environment, pid), path };
}

function watchdogMs(environment: Readonly<Record<string, string | undefined>>, pid: number): number | undefined {
  const { WATCHDOG_USEC: usec = '', WATCHDOG_PID: meant = '' } = environment;
  // Meant for another process, whose environment this one inherited.
  if (meant !== '' && meant !== String(pid)) return undefined;
  return /^[1-9]\d{0,15}$/.test(usec) ? Number(usec) / 1000 : undefined;
}
