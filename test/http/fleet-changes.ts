/** Every kind of change that there is of a fleet's workers; each leaves those alone that it does not name. */
import fc from 'fast-check';
import { type Fleet, task } from '../support/fleet.ts';

type Change = (fleet: Fleet, known: Set<string>, workerId: string, n: number) => void;

export const CHANGES = {
  register(fleet, known, workerId) {
    if (known.has(workerId)) return;
    fleet.register(workerId);
    known.add(workerId);
  },
  accept: (fleet, _, workerId) => fleet.accept(workerId),
  publish: (fleet, _, workerId, n) => fleet.publish(workerId, { cpuUsage: n }),
  reject: (fleet, _, workerId, n) => fleet.reject(workerId, n % 2 === 0 ? 'one' : 'two'),
  grow: (fleet, _, workerId, n) =>
    fleet.publish(workerId, { cpuUsage: n, runningTasks: Array.from({ length: n * 10 }, (_, i) => task(`task ${i}`)) }),
  fallSilent: (fleet, _, workerId) => fleet.fallSilent(workerId),
  missed: (fleet, _, workerId, n) => fleet.board.setMissed(fleet.rowOf(workerId), n),
  lane: (fleet, _, workerId, n) =>
    fleet.board.setLane(fleet.rowOf(workerId), { number: n, kind: 'shared', state: 'ready', restarts: n }),
  facts: (fleet, _, workerId, n) =>
    fleet.onAnnounce([{ type: 'workerFacts', workerId, facts: { group: `g${n % 2}`, labels: {} } as never }]),
  forget(fleet, known, workerId) {
    fleet.forget(workerId);
    known.delete(workerId);
  },
  /** What main has not announced yet. */
  vanish(fleet, known, workerId) {
    fleet.forget(workerId, { announced: false });
    known.delete(workerId);
  },
} satisfies Record<string, Change>;

export type ChangeKind = keyof typeof CHANGES;

export interface ChangeStep {
  readonly kind: ChangeKind;
  readonly id: string;
  readonly n: number;
}

export function changeOf(ids: readonly string[]): fc.Arbitrary<ChangeStep> {
  return fc.record({
    kind: fc.constantFrom(...(Object.keys(CHANGES) as ChangeKind[])),
    id: fc.constantFrom(...ids),
    n: fc.nat(9),
  });
}

/** Does it, unless the worker is not there to be changed. */
export function make({ kind, id, n }: ChangeStep, fleet: Fleet, known: Set<string>): void {
  if (kind === 'register' || known.has(id)) (CHANGES[kind] as Change)(fleet, known, id, n);
}
