/** The simulated workers' process. */
import { answerParent } from '../../../bench/lib/child.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { type Cohort, idsOf } from './cohort.ts';
import { type Link, StreamLink, UnaryLink } from './link.ts';
import { type Mishap, SimWorker } from './sim-worker.ts';

export interface SimFleetState {
  /**
   * The longest time by which a heartbeat came later than it was due: whatever a master says of workers beyond this was
   * not the fault of this process.
   */
  readonly mostLateMs: number;
  /** Reasons of refusals, each once. */
  readonly refused: readonly string[];
}

interface Member {
  readonly worker: SimWorker;
  readonly link: Link;
  readonly intervalMs: number;
  dueMs: number;
  sentUnixMs: number;
}

/** How often is looked who is due. */
const LOOK_EVERY_MS = 10;
const DEFAULT_WORKERS_PER_STREAM = 10;

const clock = systemClock;
const members = new Map<string, Member>();
const links = new Set<Link>();
const refused = new Set<string>();
let mostLateMs = 0;

const calls = {
  start(cohorts: readonly Cohort[]): void {
    for (const cohort of cohorts) addCohort(cohort);
    clock.every(LOOK_EVERY_MS, sendDue);
  },

  silence(ids: readonly string[], isSilent: boolean): void {
    for (const member of of(ids)) {
      member.worker.isSilent = isSilent;
      member.dueMs = clock.monotonicMs();
    }
  },

  leave(ids: readonly string[]): void {
    for (const { worker, link } of of(ids)) link.sendFarewell(worker);
  },

  die(ids: readonly string[]): void {
    for (const { link } of of(ids)) {
      for (const other of members.values()) if (other.link === link) other.worker.isSilent = true;
      link.die();
      links.delete(link);
    }
  },

  mishaps(ids: readonly string[], mishaps: readonly Mishap[]): void {
    for (const { worker } of of(ids)) worker.mishaps = mishaps;
  },

  setClockOffset(ids: readonly string[], offsetMs: number): void {
    for (const { worker } of of(ids)) worker.clockOffsetMs = offsetMs;
  },

  counts: (ids: readonly string[]) => of(ids).map(({ worker }) => worker.counts),

  lastSentUnixMs: (ids: readonly string[]) => of(ids).map(({ sentUnixMs }) => sentUnixMs),

  state: (): SimFleetState => ({ mostLateMs, refused: [...refused] }),
};
export type SimCalls = typeof calls;

answerParent(calls, async () => {
  for (const link of links) link.close();
});

function addCohort(cohort: Cohort): void {
  const { link: kind, intervalMs, group = '', ephemeral = false, clockOffsetMs = 0 } = cohort;
  const nowMs = clock.monotonicMs();
  const workers = idsOf(cohort).map(
    (workerId) => new SimWorker({ clock, workerId, intervalMs, clockOffsetMs, isGo: kind === 'go', group, ephemeral }),
  );
  const perLink = kind === 'shared' ? (cohort.workersPerStream ?? DEFAULT_WORKERS_PER_STREAM) : 1;
  for (let first = 0; first < workers.length; first += perLink) {
    const onLink = workers.slice(first, first + perLink);
    const link = newLink(cohort, onLink);
    links.add(link);
    for (const [i, worker] of onLink.entries()) {
      const dueMs = nowMs + (intervalMs * (first + i)) / workers.length;
      members.set(worker.workerId, { worker, link, intervalMs, dueMs, sentUnixMs: 0 });
    }
  }
}

function newLink({ link, port, maxBackoffMs, intervalMs, token }: Cohort, workers: readonly SimWorker[]): Link {
  const onRefused = ({ reason }: { readonly reason: string }) => refused.add(reason);
  const options = { port, workers, maxBackoffMs: maxBackoffMs ?? intervalMs, clock, onRefused, token };
  return link === 'go' ? new UnaryLink(options) : new StreamLink(options);
}

function sendDue(): void {
  const nowMs = clock.monotonicMs();
  for (const member of members.values()) {
    const { worker, link, intervalMs, dueMs } = member;
    if (dueMs > nowMs || !worker.sends) continue;
    if (link.send(worker)) member.sentUnixMs = clock.wallMs();
    mostLateMs = Math.max(mostLateMs, nowMs - dueMs);
    // What could not be sent in its time is not sent later as if it were new.
    member.dueMs = dueMs + intervalMs > nowMs ? dueMs + intervalMs : nowMs + intervalMs;
  }
}

function of(ids: readonly string[]): Member[] {
  return ids.map((id) => {
    const member = members.get(id);
    if (member === undefined) throw new Error(`no simulated worker is called ${id}`);
    return member;
  });
}
