/** What every server process answers, product and baselines alike, so that one bench can ask any of them. */
import type { Child } from './child.ts';
import { eventually, monotonicMs, sleepMs } from './time.ts';

export interface Ports {
  readonly grpcPort: number;
  /** 0 if it serves no HTTP. */
  readonly httpPort: number;
}

/** Heartbeats since the start. A baseline has applied what it has accepted. */
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
  /** Of the thread that answers: the main one. */
  readonly mainCpuMs: number;
  /** Of all threads of the process. */
  readonly processCpuMs: number;
}

export type ServerCalls = {
  start(settings: Readonly<Record<string, string>>): Promise<Ports>;
  counts(): Counts;
  /** How many heartbeats of each of so many workers are applied, in the order of their numbers. */
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

/** What a server did in a span of time. */
export interface Window {
  readonly seconds: number;
  readonly accepted: number;
  readonly applied: number;
  readonly replaced: number;
  /** The span of the CPU times: within that of the counts, since counting costs. */
  readonly cpuMs: number;
  readonly mainCpuMs: number;
  readonly processCpuMs: number;
}

/** Lasts longer while nothing has come: the small size is short, and machines may be busy. */
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

/** How many heartbeats a second the server takes: what is to be steady of a closed loop. */
export async function acceptedPerSecond(server: ServerProcess, forMs: number): Promise<number> {
  const { accepted, seconds } = await measureWindow(server, forMs);
  return accepted / seconds;
}

/** The main thread's CPU time for each heartbeat, in µs. */
export function mainCpuUs({ mainCpuMs, accepted }: Window): number {
  return (mainCpuMs * 1000) / accepted;
}

/**
 * Waits until the server has done with all that was sent.
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
