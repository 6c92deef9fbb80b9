import { mkdir, mkdtemp, rename, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cycle } from '../../src/alerts/cycle.ts';
import { DevicesSeen } from '../../src/alerts/evaluation/devices-seen.ts';
import type { Evaluated } from '../../src/alerts/evaluation/evaluated.ts';
import type { Notices } from '../../src/alerts/parts.ts';
import type { Rule } from '../../src/alerts/rules/rule.ts';
import { AlertStates } from '../../src/alerts/state/alert-states.ts';
import { AlertStore } from '../../src/alerts/store/alert-store.ts';
import { readAlerts } from '../../src/alerts/store/stored-alerts.ts';
import { readDevices, writeDevices } from '../../src/alerts/store/stored-devices.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { quietNotices } from './quiet-notices.ts';
import { evaluated, type FoundOf, rule, ruleSet } from './rules.ts';

let folder: string;
let path: string;
const running: Scene[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-cycle-'));
  path = join(folder, 'alerts.db');
});
afterEach(async () => {
  for (const scene of running.splice(0)) await scene.cycle.stop();
  await rm(folder, { recursive: true, force: true });
});

class Scene {
  readonly clock = new FakeClock();
  readonly states = new AlertStates({ noDataAfterMs: 3_600_000 });
  readonly store: AlertStore;
  readonly devices = new DevicesSeen();
  readonly cycle: Cycle;
  /** What the rules find from now on. */
  found: FoundOf = {};
  /** Names of the rules of each evaluation. */
  readonly evaluations: string[][] = [];
  readonly transitions: string[] = [];
  readonly losses: string[] = [];
  /** Name of a rule that is left out because it is too slow. */
  leftOut = '';
  /** How long an evaluation takes. */
  takesMs = 0;

  constructor(notices: Partial<Notices> = {}) {
    const { clock, states } = this;
    this.store = new AlertStore({ path, clock, onLoss: (message) => this.losses.push(message) });
    this.cycle = new Cycle({
      evaluation: {
        load: () => {},
        evaluate: (rules) => this.#evaluate(rules),
        isLeftOut: ({ name }) => this.leftOut === name,
        read: (connection) => readDevices(connection, this.devices),
        write: (connection, isAll) => {
          if (isAll) this.devices.loseFile();
          writeDevices(connection, this.devices);
        },
        written: () => this.devices.saved(),
      },
      notices: quietNotices(notices),
      states,
      store: this.store,
      clock,
      attentiveMs: () => clock.monotonicMs(),
      onDone: ({ transitions }) => {
        for (const { record, from, to } of transitions) {
          this.transitions.push(`${record.rule} ${record.subject.name}: ${from} → ${to}`);
        }
      },
      onLoss: (message) => this.losses.push(message),
      onError: (error) => {
        throw error;
      },
    });
    running.push(this);
  }

  async #evaluate(rules: readonly Rule[]): Promise<readonly Evaluated[]> {
    this.evaluations.push(rules.map(({ name }) => name));
    this.clock.advance(this.takesMs);
    return rules.map((one) => evaluated(one, this.found));
  }

  /** Lets time pass, second by second, each evaluation to its end. */
  async pass(seconds: number): Promise<void> {
    for (let s = 0; s < seconds; s++) {
      this.clock.advance(1000);
      await settled();
    }
  }
}

/** Everything that the last timer has caused is done: files are not waited for, but for those that are set aside. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await nextTurn();
}

test('all rules are evaluated every interval, and one whose `for` ends earlier then, alone', async () => {
  const scene = new Scene();
  scene.found = { a: 'holds' };
  await scene.cycle.load(ruleSet([rule('Now'), rule('Soon', { forMs: 2000 })]));
  expect(scene.transitions).toEqual(['Now a: inactive → firing', 'Soon a: inactive → pending']);
  await scene.pass(2);
  expect(scene.evaluations).toEqual([['Now', 'Soon'], ['Soon']]);
  expect(scene.transitions.at(-1)).toBe('Soon a: pending → firing');
  await scene.pass(8);
  expect(scene.evaluations.slice(2)).toEqual([
    ['Now', 'Soon'],
    ['Now', 'Soon'],
  ]);
  expect(scene.cycle.figures).toMatchObject({ evaluations: 3, skipped: 0 });
  expect(scene.cycle.holding('Now')).toBe(1);
});

test('a rule that is left out is asked by evaluations of all rules only, though an alert of it is due', async () => {
  const scene = new Scene();
  scene.found = { a: 'holds' };
  await scene.cycle.load(ruleSet([rule('Slow', { forMs: 2000 })]));
  scene.leftOut = 'Slow';
  await scene.pass(4);
  expect(scene.evaluations).toEqual([['Slow']]);
  await scene.pass(1);
  expect(scene.evaluations).toEqual([['Slow'], ['Slow']]);
});

test('evaluations that take longer than the interval leave out those they overlap, and say so', async () => {
  const scene = new Scene();
  scene.takesMs = 12_000;
  await scene.cycle.load(ruleSet([rule('Slow')]));
  await scene.pass(1);
  expect(scene.cycle.figures).toMatchObject({ evaluations: 2, skipped: 1, evaluationMs: 12_000 });
});

test('what follows from a state is stored in the transaction that stores the state', async () => {
  const planned: string[] = [];
  const scene = new Scene({
    plan: ({ transitions }) => planned.push(...transitions.map(({ to }) => to)),
    write: (connection) => {
      connection.exec('CREATE TABLE IF NOT EXISTS told (what TEXT)');
      for (const what of planned.splice(0)) connection.run('INSERT INTO told VALUES (?)', what);
      if (scene.found.b === 'holds') throw new Error('it cannot be stored');
    },
  });
  scene.found = { a: 'holds' };
  await scene.cycle.load(ruleSet([rule('Hot')]));
  const stored = async () => {
    const reader = new AlertStore({ path, clock: scene.clock, onLoss: expect.unreachable });
    await reader.open();
    try {
      return reader.read((connection) => [
        readAlerts(connection).records.length,
        connection.value('SELECT count(*) FROM told'),
      ]);
    } finally {
      reader.close();
    }
  };
  expect(await stored()).toEqual([1, 1]);
  scene.found = { a: 'holds', b: 'holds' };
  await scene.pass(5);
  expect(await stored()).toEqual([1, 1]);
  expect(scene.store.problem?.detail).toContain('it cannot be stored');
});

test('what cannot be stored goes on in memory, and is stored when it can be', async () => {
  await mkdir(path);
  const written: boolean[] = [];
  const scene = new Scene({ written: (isStored) => written.push(isStored) });
  scene.found = { a: 'holds' };
  await scene.cycle.load(ruleSet([rule('Hot', { forMs: 5000 })]));
  await scene.pass(5);
  expect(scene.transitions).toEqual(['Hot a: inactive → pending', 'Hot a: pending → firing']);
  expect([written, scene.store.problem === undefined]).toEqual([[false, false], false]);
  await rmdir(path);
  await scene.pass(5);
  expect([written.at(-1), scene.store.problem]).toEqual([true, undefined]);
  expect(scene.store.read(readAlerts).records).toMatchObject([{ core: { state: 'firing' } }]);
});

test('alerts of rules that were removed end also if the file can be read only later', async () => {
  const first = new Scene();
  first.found = { a: 'holds' };
  await first.cycle.load(ruleSet([rule('Hot')]));
  await first.cycle.stop();
  await rename(path, `${path}.kept`);
  await mkdir(path);
  const second = new Scene();
  await second.cycle.load(ruleSet([rule('Other')]));
  await rmdir(path);
  await rename(`${path}.kept`, path);
  await second.pass(60);
  expect(second.transitions).toEqual(['Hot a: firing → resolved']);
});

test('a file that was lost, or damaged, is written anew from memory', async () => {
  const asked: boolean[] = [];
  const scene = new Scene({ write: (_, isAll) => asked.push(isAll) });
  scene.found = { a: 'holds' };
  await scene.cycle.load(ruleSet([rule('Hot')]));
  await rm(path);
  await scene.pass(10);
  expect(asked).toEqual([false, true, false]);
  expect(scene.store.read(readAlerts).records).toHaveLength(1);
  expect(scene.losses).toEqual([`${path} was removed: it is written again`]);
});

test('devices that workers have had outlive the thread, also if the file is lost', async () => {
  const first = new Scene();
  for (const name of ['kept', 'gone']) first.devices.see(name, 4, 2);
  first.devices.see('registered', 0, 3);
  await first.cycle.load(ruleSet([rule('Hot')]));
  expect(first.devices.unsaved.size).toBe(0);
  first.devices.forget('gone');
  await first.pass(5);
  const after = async () => {
    const next = new Scene();
    await next.cycle.load(ruleSet([rule('Hot')]));
    return ['kept', 'gone', 'registered'].map((name) => next.devices.of(name));
  };
  const expected = [{ most: 4, hasListed: true }, undefined, { most: 3, hasListed: false }];
  expect(await after()).toEqual(expected);
  await rm(path);
  await first.pass(5);
  expect(await after()).toEqual(expected);
});

test('a thread that ended during pending is followed by one that goes on, and a firing alert fires no second time', async () => {
  const first = new Scene();
  first.found = { a: 'holds' };
  const rules = ruleSet([rule('Now'), rule('Later', { forMs: 60_000 })]);
  await first.cycle.load(rules);
  await first.pass(40);
  first.store.close();
  const second = new Scene();
  second.found = { a: 'holds' };
  await second.cycle.load(rules);
  await second.pass(15);
  expect(second.transitions).toEqual([]);
  // 40 s counted before, and what was after the last time that it was written is lost: 10 s at most.
  await second.pass(15);
  expect(second.transitions).toEqual(['Later a: pending → firing']);
});

test('what is due by time alone is planned then, without an evaluation', async () => {
  const due: number[] = [];
  const scene: Scene = new Scene({
    dueInMs: () => (due.length < 2 ? 1000 : undefined),
    plan: () => due.push(scene.clock.monotonicMs()),
  });
  await scene.cycle.load(ruleSet([rule('Hot')]));
  await scene.pass(4);
  expect([due, scene.evaluations.length]).toEqual([[0, 1000], 1]);
});

test('a change by a command is between two evaluations, and stored before it is answered', async () => {
  const order: string[] = [];
  const scene = new Scene({ plan: () => order.push('plan'), write: () => order.push('write') });
  await scene.cycle.load(ruleSet([rule('Hot')]));
  order.length = 0;
  expect(await scene.cycle.change(() => `${order.push('change')}`)).toBe('1');
  expect(order).toEqual(['change', 'plan', 'write']);
});
