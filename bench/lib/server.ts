/** The calls that every server process answers, Pulselane and baselines alike, so that a bench can use any of them. */
import type { Child } from './child.ts';
import { eventually, monotonicMs, sleepMs } from './time.ts';

export interface Ports {
  readonly grpcPort: number;
  /** 0 if it serves no HTTP. */
  readonly httpPort: number;
}

/** Heartbeats since the start. A baseline applies everything it accepts. */
export interface Counts {
  readonly atMs: number;
  readonly accepted: number;
  readonly applied: number;
  readonly replaced: number;
  readonly rejected: number;
  readonly lost: number;
}

/** CPU time since the start. */
export interface Usage {
  readonly atMs: number;
  /** Of the main thread. */
  readonly mainCpuMs: number;
  /** Of all threads of the process. */
  readonly processCpuMs: number;
}

export type ServerCalls = {
  start(settings: Readonly<Record<string, string>>): Promise<Ports>;
  counts(): Counts;
  /** The number of applied heartbeats of each worker, in the order of their numbers. */
  applied(workers: number): Uint32Array;
  usage(): Usage;
};

export type ServerProcess = Pick<Child<ServerCalls>, 'call'>;

export function usage(): Usage {
  return {
    atMs: monotonicMs(),
    mainCpuMs: cpuMs(process.threadCpuUsage()),
    processCpuMs: cpuMs(process.cpuUsage()),
  };
}

function cpuMs({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000;
}

/** What a server did in a time window. */
export interface Window {
  readonly seconds: number;
  readonly accepted: number;
  readonly applied: number;
  readonly replaced: number;
  /** The window of the CPU times: inside that of the counts, because counting costs CPU. */
  readonly cpuMs: number;
  readonly mainCpuMs: number;
  readonly processCpuMs: number;
}

/** Takes longer if nothing has arrived: the small size is short, and machines may be busy. */
export async function measureWindow(server: ServerProcess, ms: number): Promise<Window> {
  const countsBefore = await server.call('counts');
  const before = await server.call('usage');
  await sleepMs(ms);
  let after = await server.call('usage');
  let counts = await server.call('counts');
  await eventually('something has come', async () => {
    if (counts.accepted > countsBefore.accepted) return true;
    after = await server.call('usage');
    counts = await server.call('counts');
    return false;
  });
  return {
    seconds: (counts.atMs - countsBefore.atMs) / 1000,
    accepted: counts.accepted - countsBefore.accepted,
    applied: counts.applied - countsBefore.applied,
    replaced: counts.replaced - countsBefore.replaced,
    cpuMs: after.atMs - before.atMs,
    mainCpuMs: after.mainCpuMs - before.mainCpuMs,
    processCpuMs: after.processCpuMs - before.processCpuMs,
  };
}

/** Heartbeats per second: what warm-up expects to be steady in a closed loop. */
export async function acceptedPerSecond(server: ServerProcess, forMs: number): Promise<number> {
  const { accepted, seconds } = await measureWindow(server, forMs);
  return accepted / seconds;
}

/** The main thread's CPU time per heartbeat, in µs. */
export function mainCpuUs({ mainCpuMs, accepted }: Window): number {
  return (mainCpuMs * 1000) / accepted;
}

/**
 * Waits until the server has finished everything that was sent.
 * @throws if a heartbeat is unaccounted for: neither applied, nor replaced, rejected or lost.
 */
export async function accountedFor(server: ServerProcess, sent: number): Promise<Counts> {
  let counts = await server.call('counts');
  const missing = () => {
    const { accepted, applied, replaced, rejected, lost } = counts;
    return { unaccepted: sent - accepted, unaccounted: accepted - applied - replaced - rejected - lost };
  };
  const isDone = async () => {
    counts = await server.call('counts');
    const { unaccepted, unaccounted } = missing();
    return unaccepted === 0 && unaccounted === 0;
  };
  await eventually('all heartbeats accounted for', isDone, { withinMs: 10_000 }).catch(() => {
    throw new Error(`of ${sent} heartbeats: ${JSON.stringify({ ...missing(), ...counts })}`);
  });
  return counts;
}
