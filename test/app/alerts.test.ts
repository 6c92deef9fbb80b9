/** Alerts as a part of a whole master: what is told, once, and what outlives threads and masters. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startMaster } from '../../src/app/master.ts';
import type { RunningMaster } from '../../src/app/running-master.ts';
import { masterConfig } from '../../src/config/resolve.ts';
import { WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Alert } from '../../src/model/alert.ts';
import { BoardReader } from '../../src/store/board.ts';
import { PeerScoresWriter } from '../../src/store/peer-scores.ts';
import { eventually } from '../support/eventually.ts';
import { keptLog } from '../support/kept-log.ts';
import { IS_LONG_RUN } from '../support/repetitions.ts';

let folder: string;
let rulesFile: string;
let master: RunningMaster | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-alerts-'));
  rulesFile = join(folder, 'rules.yaml');
});
afterEach(async () => {
  await master?.stop();
  await rm(folder, { recursive: true, force: true });
});

type Settings = Readonly<Record<string, string>>;
const FEW_LANES = { MAX_DEDICATED_LANES: '0', SHARED_LANES: '1', MAX_HEARTBEAT_RATE: '0' };
/** Workers of these tests send once, and stay active for the whole test. */
const BASE = { GRPC_PORT: '127.0.0.1:0', HTTP_PORT: 'off', HISTORY: 'off', INACTIVITY_TIMEOUT: '10m', ...FEW_LANES };

const HOT =
  '{ alert: Hot, for_each: worker, when: "cpu_usage > 90.0", annotations: { summary: "{{ worker_id }} is hot" } }';
const rulesOf = (...rules: string[]) =>
  `evaluation_interval: 1s\nrules:\n${rules.map((rule) => `  - ${rule}\n`).join('')}`;

async function start(settings: Settings = {}) {
  const { logger, lines } = keptLog();
  const environment = { DATA_DIR: join(folder, 'data'), ALERT_RULES: rulesFile, ALERTS: 'on', ...BASE, ...settings };
  const started = await startMaster(masterConfig({ flags: {}, environment, dotenv: {} }), {
    logger,
    clock: systemClock,
  });
  master = started;
  const alertOf = (rule: string, worker: string): Alert | undefined =>
    [...(started.operator.alerts?.table.all() ?? [])].find(
      (alert) => alert.rule === rule && alert.subject.name === worker,
    );
  return {
    master: started,
    lines,
    beat: (workerId: string, cpuUsage: number) => started.manager.processHeartbeat({ workerId, cpuUsage }),
    alertOf,
    /** Resolves when the alert is in this state. */
    alertIn: (rule: string, worker: string, state: Alert['state']) =>
      eventually(() => {
        const alert = alertOf(rule, worker);
        return alert?.state === state && alert;
      }),
    /** Lets workers beat until each has its alert: one that beat once could be inactive before the rules are evaluated. */
    fire: (rule: string, ...workers: readonly string[]) =>
      eventually(() => {
        for (const worker of workers) started.manager.processHeartbeat({ workerId: worker, cpuUsage: 95 });
        return workers.every((worker) => alertOf(rule, worker)?.state === 'firing');
      }),
    /** Evaluates all rules on what is known now: a reload does. */
    async evaluated() {
      expect(await started.operator.askAlerts({ type: 'reload-rules' })).toMatchObject({ ok: true });
    },
    events: () =>
      started.manager.events
        .all()
        .filter(({ type }) => type === 'alert' || type === 'alert_over')
        .map(({ type, rule, workerId, closedBecause }) => `${type} ${rule} ${workerId} ${closedBecause ?? ''}`.trim()),
  };
}

test('everything at its default: the shipped rules are evaluated, and are silent about a healthy worker', async () => {
  const { logger, lines } = keptLog();
  const environment = { DATA_DIR: join(folder, 'data'), GRPC_PORT: '127.0.0.1:0', HTTP_PORT: '127.0.0.1:0' };
  const started = await startMaster(masterConfig({ flags: {}, environment, dotenv: {} }), {
    logger,
    clock: systemClock,
  });
  master = started;
  started.manager.processHeartbeat({ workerId: 'w', cpuUsage: 20, memoryUsage: 30, storageUsage: 40 });
  await eventually(() => (started.alerts?.status?.evaluations ?? 0) >= 1);
  const { status } = started.alerts ?? {};
  expect(status).toMatchObject({ problems: [], lastLoad: null, seasons: { leftOut: 0 } });
  expect(status?.rules.map(({ errors, lastError }) => [errors, lastError])).toEqual(status?.rules.map(() => [0, null]));
  expect(started.operator.alerts?.loadedRules?.rules.every(({ isShipped }) => isShipped)).toBe(true);
  expect([...(started.operator.alerts?.table.all() ?? [])]).toEqual([]);
  expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
});

test('an alert fires, recovers and is told once each, and the next thread and the next master know it', async () => {
  await writeFile(rulesFile, rulesOf(HOT));
  const first = await start();
  first.beat('w', 95);
  const fired = await first.alertIn('Hot', 'w', 'firing');
  expect(fired.annotations).toEqual({ summary: 'w is hot' });
  expect(fired.values.firing?.parts).toContainEqual({ text: 'cpu_usage', value: 95 });
  first.beat('w', 97);
  await eventually(() => first.alertOf('Hot', 'w')?.values.now?.parts.some(({ value }) => value === 97));

  const { manager, alerts } = first.master;
  const figures = vi.spyOn(manager, 'anomalies', 'set');
  const peerScores = () => new BoardReader(manager.boardMemory).peerScores.of(0, 1)?.score;
  const whileAway: unknown[] = [];
  alerts?.follow(({ type }) => {
    if (type === 'alertsStatus' && alerts.status?.problems.length)
      whileAway.push(figures.mock.lastCall?.[0], peerScores());
  });
  new PeerScoresWriter(manager.boardMemory.peerScores).set(0, 1, 0.9, undefined, 0);
  expect(peerScores()).toBe(0.9);
  const { thread } = alerts?.thread ?? {};
  await thread?.terminate();
  await eventually(
    () => first.master.alerts?.thread.thread !== thread && first.master.alerts?.status?.problems.length === 0,
  );
  // What the thread had found of anomalies is not shown as true while there is none.
  expect(whileAway.slice(0, 2)).toEqual([{ scored: 0, anomalous: 0 }, undefined]);
  await first.evaluated();
  expect(first.events()).toEqual(['alert Hot w']);
  await first.master.stop();

  const second = await start();
  const kept = await second.alertIn('Hot', 'w', 'firing');
  expect([kept.id, kept.firingSinceUnixMs]).toEqual([fired.id, fired.firingSinceUnixMs]);
  // Nobody knows about `w` during the restart grace: it is not even said that values are missing.
  await second.evaluated();
  expect(second.alertOf('Hot', 'w')).toMatchObject({ state: 'firing', noDataSinceUnixMs: null });
  second.beat('w', 96);
  await second.evaluated();
  expect(second.events()).toEqual([]);
  second.beat('w', 10);
  const over = await second.alertIn('Hot', 'w', 'resolved');
  expect(over.closedBecause).toBe('recovered');
  await eventually(() => second.events().length > 0);
  expect(second.events()).toEqual(['alert_over Hot w recovered']);
});

test('a worker that is removed closes its alerts, and one that falls silent does not', async () => {
  await writeFile(rulesFile, rulesOf(HOT));
  const { fire, alertIn, alertOf, master, events, evaluated } = await start({
    HEARTBEAT_INTERVAL: '100ms',
    INACTIVITY_TIMEOUT: '1s',
  });
  await fire('Hot', 'w');
  await eventually(() => alertOf('Hot', 'w')?.noDataSinceUnixMs !== null);
  await evaluated();
  expect(alertOf('Hot', 'w')?.state).toBe('firing');
  expect(events()).toEqual(['alert Hot w']);
  master.operator.unregister('w');
  expect((await alertIn('Hot', 'w', 'resolved')).closedBecause).toBe('worker_removed');
});

test.each([{ groups: [''] }, { groups: ['pair-1', 'pair-2'] }])(
  'groups $groups that fall silent as a whole make one alert each, and none of their workers',
  async ({ groups }) => {
    const silent = '{ alert: Silent, for_each: worker, when: "state == \\"inactive\\"" }';
    // The condition of the shipped rule, which waits for a minute.
    const mostly =
      '{ alert: Mostly, for_each: group, when: "brake || inactive >= 3", clear_when: "!brake && inactive == 0" }';
    await writeFile(rulesFile, rulesOf(HOT, silent, mostly));
    const { master, fire, alertIn, alertOf, evaluated, events } = await start({
      HEARTBEAT_INTERVAL: '100ms',
      INACTIVITY_TIMEOUT: '1s',
    });
    const workers = ['a', 'b', 'c', 'd'];
    for (const [index, workerId] of workers.entries()) {
      const group = groups[index % groups.length] as string;
      master.manager.announceWorker(create(WorkerInfoSchema, { workerId, group }));
    }
    await fire('Hot', ...workers);
    await eventually(() => master.manager.holds.brakes.length > 0);
    for (const group of groups) await alertIn('Mostly', group, 'firing');
    for (const group of groups) await alertIn('GroupMostlySilent', group, 'pending');
    await evaluated();
    for (const workerId of workers) {
      expect(alertOf('Hot', workerId)).toMatchObject({ state: 'firing', noDataSinceUnixMs: null });
      expect(alertOf('Silent', workerId)).toBeUndefined();
    }
    await eventually(() => events().length === workers.length + groups.length);

    // They have really failed: the alert goes on.
    master.manager.releaseBrakes();
    for (const workerId of workers) await alertIn('Silent', workerId, 'firing');
    for (const group of groups) expect(alertOf('Mostly', group)?.state).toBe('firing');
  },
);

test('a rule that fails in every evaluation is a problem, told once when it begins and once when it ends', async () => {
  await writeFile(rulesFile, rulesOf(HOT, '{ alert: Div, when: "1 / tasks > 0" }'));
  const { master: started, lines, beat, evaluated } = await start();
  beat('w', 10);
  await eventually(() => (started.alerts?.status?.evaluations ?? 0) >= 1);
  for (let n = 0; n < 3; n++) await evaluated();
  const problems = () => started.alerts?.status?.problems.map(({ code, rule, detail }) => [code, rule, detail]) ?? [];
  const told = () => lines.map(({ msg }) => String(msg)).filter((line) => line.includes('rule Div'));
  await eventually(() => problems().length > 0);
  expect(problems()).toEqual([['rule', 'Div', 'rule Div fails: w: division by zero']]);
  await eventually(() => told().length === 1);
  expect(told()).toEqual([expect.stringContaining('alerts degraded: rule Div fails: w: division by zero')]);
  await writeFile(rulesFile, rulesOf(HOT));
  await evaluated();
  await eventually(() => problems().length === 0 && told().length === 2);
  expect(told()[1]).toContain('rule Div is evaluated without errors again, or is another one now');
  const faults = started.manager.events.all().filter(({ type }) => type.startsWith('fault'));
  expect(faults.map(({ type }) => type)).toEqual(['fault', 'fault_over']);
});

test('a bad rule file at the start names file, line and column, and the master does not start', async () => {
  await writeFile(
    rulesFile,
    rulesOf(HOT, '{ alert: Odd, for_each: worker, when: "cpu_usagee > 1" }', '{ alert: Bare }'),
  );
  const failure = await start().catch((error: Error) => error);
  expect(failure).toMatchObject({ code: 'bad_setting' });
  const { message } = failure as Error;
  expect(message).toMatch(new RegExp(`^ALERT_RULES=${rulesFile}: ${rulesFile}:4:\\d+: .*cpu_usagee`));
  expect(message).toMatch(new RegExp(`${rulesFile}:5:\\d+: `));
  await rm(rulesFile);
  await expect(start()).rejects.toThrow(`ALERT_RULES=${rulesFile}: ${rulesFile}: cannot be read: no such file`);
});

test('a reload takes a right file, and changes nothing for a wrong one, which it says', async () => {
  await writeFile(rulesFile, rulesOf(HOT));
  const { master, beat, alertIn, alertOf, lines } = await start();
  beat('w', 95);
  await alertIn('Hot', 'w', 'firing');
  await writeFile(rulesFile, 'rules:\n  - { alert: Hot, whenn: 1 }\n');
  await master.reload();
  const logged = lines.filter(({ level }) => level === 'error').map(({ msg }) => msg);
  expect(logged).toEqual([expect.stringMatching(new RegExp(`cannot reload .*${rulesFile}:2:\\d+: .*whenn`))]);
  expect(master.alerts?.status?.lastLoad?.problems).toHaveLength(2);
  // The next thread goes on with the rules that were right.
  await master.alerts?.thread.thread?.terminate();
  await eventually(() => master.alerts?.status?.problems.some(({ code }) => code === 'thread'));
  await eventually(() => master.alerts?.status?.problems.every(({ code }) => code !== 'thread'));
  expect(alertOf('Hot', 'w')?.state).toBe('firing');
  expect(await master.operator.askAlerts({ type: 'reload-rules' })).toMatchObject({ ok: false, code: 'invalid_rules' });

  const warnings = () => lines.filter(({ msg }) => msg.includes('PUBLIC_URL')).length;
  expect(warnings()).toBe(0);
  const pager = 'receivers: [{ name: hook, webhook: { url: "http://127.0.0.1:9/" } }]\nroute: { receiver: hook }\n';
  await writeFile(rulesFile, pager + rulesOf(HOT.replace('Hot', 'Hotter')));
  await master.reload();
  expect(master.alerts?.status?.lastLoad?.problems).toEqual([]);
  expect(warnings()).toBe(1);
  expect((await alertIn('Hot', 'w', 'resolved')).closedBecause).toBe('rule_changed');
  await alertIn('Hotter', 'w', 'firing');
});

// Main takes seconds to trust itself again.
test.runIf(IS_LONG_RUN)('time while main stands still does not count for `for`', async () => {
  await writeFile(rulesFile, rulesOf(HOT.replace('when:', 'for: 1s, when:')));
  const { beat, alertIn } = await start();
  beat('w', 95);
  await alertIn('Hot', 'w', 'pending');
  const stillMs = 2000;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stillMs);
  const { firingSinceUnixMs, pendingSinceUnixMs } = await alertIn('Hot', 'w', 'firing');
  // Main is believed to run for 0.5 s after its last sign of life.
  expect((firingSinceUnixMs as number) - pendingSinceUnixMs).toBeGreaterThanOrEqual(1000 + stillMs - 1000);
});
