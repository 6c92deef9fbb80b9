import { afterEach, expect, test } from 'vitest';
import { TelemetryManager, type TelemetryManagerOptions } from '../../../src/engine/telemetry-manager.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import type { FamilyWithSeries } from '../../../src/metrics/family.ts';
import { MASTER_FAMILIES, masterFamilies } from '../../../src/metrics/master/families.ts';
import { alertReceiver, alertsStatus, aRule, loadedRules } from '../../support/alerts.ts';
import { eventually } from '../../support/eventually.ts';
import { receiverStatus } from '../../support/receiver-status.ts';

const running: TelemetryManager[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((manager) => manager.shutdown()));
});

async function startManager(options: TelemetryManagerOptions = {}): Promise<TelemetryManager> {
  const manager = new TelemetryManager({ maxWorkers: 100, ...options });
  running.push(manager);
  await manager.start();
  return manager;
}

function readAll({ directory }: TelemetryManager): FamilyWithSeries[] {
  return masterFamilies({ directory, clock: systemClock });
}

/** The value of the series with these label values. */
function seriesValue(families: readonly FamilyWithSeries[], name: string, ...labels: string[]): unknown {
  const found = families.find(({ family }) => family.name === `pulselane_${name}`);
  return found?.series.find((series) => series.labels.map(([, value]) => value).join() === labels.join())?.value;
}

test('what a running engine does is in its families', async () => {
  const startedUnixMs = Date.now();
  const manager = await startManager({ sharedLanes: 1, maxDedicatedLanes: 0 });
  for (const workerId of ['a', 'b']) manager.processHeartbeat({ workerId, cpuUsage: 1 });
  manager.processHeartbeat({ workerId: 'a', cpuUsage: Number.NaN });
  manager.registerWorker('c');
  const families = await eventually(() => {
    const now = readAll(manager);
    return (
      seriesValue(now, 'heartbeats_rejected', 'content') === 1 &&
      seriesValue(now, 'lanes', 'shared', 'ready') === 1 &&
      now
    );
  });
  expect(seriesValue(families, 'heartbeats_accepted', 'library')).toBe(3);
  expect(seriesValue(families, 'heartbeats_applied')).toBe(2);
  expect(seriesValue(families, 'workers', 'active')).toBe(2);
  expect(seriesValue(families, 'workers', 'registered')).toBe(1);
  const accepted = families.find(({ family }) => family.name === 'pulselane_heartbeats_accepted');
  expect(accepted?.series[0]?.createdUnixMs).toBeGreaterThanOrEqual(startedUnixMs);
  expect(accepted?.series[0]?.createdUnixMs).toBeLessThanOrEqual(Date.now());
});

test('while main is stuck, its delay grows for readers', async () => {
  const manager = await startManager();
  await eventually(() => manager.directory.board.figures().writtenMonotonicMs > 0);
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + 60_000 };
  const families = masterFamilies({ directory: manager.directory, clock });
  const max = seriesValue(families, 'event_loop_lag_max_seconds', 'main') as number;
  expect(max).toBeGreaterThan(59);
  expect(seriesValue(families, 'event_loop_lag_mean_seconds', 'main')).toBeLessThan(max);
});

test('names, units, labels and texts keep to the conventions', () => {
  const names = MASTER_FAMILIES.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, type, unit, help, labels } of MASTER_FAMILIES) {
    expect(name).toMatch(/^pulselane_[a-z][a-z0-9_]*$/);
    expect(name).not.toMatch(/_(total|info|bucket|sum|count|created)$/);
    if (unit !== undefined) expect(name.endsWith(`_${unit}`)).toBe(true);
    expect(help).toMatch(/^[A-Z][^.]*( \d+ ms\.|[^.])*\.$/);
    expect(labels.every((label) => /^[a-z_]+$/.test(label))).toBe(true);
    if (type === 'counter') expect(labels.length).toBeLessThanOrEqual(2);
  }
});

test('each series has the labels that its family names', async () => {
  const manager = await startManager();
  manager.processHeartbeat({ workerId: 'a' });
  await eventually(() => seriesValue(readAll(manager), 'heartbeats_applied') === 1);
  const labelsOf = new Map(MASTER_FAMILIES.map(({ name, labels }) => [name, labels]));
  for (const { family, series } of readAll(manager)) {
    for (const { labels } of series) expect(labels.map(([name]) => name)).toEqual(labelsOf.get(family.name));
  }
});

test('receivers of metrics are told apart by their kind', async () => {
  const manager = await startManager();
  manager.directory.apply({
    type: 'exports',
    receivers: [receiverStatus(), receiverStatus({ kind: 'otlp', series: 7 })],
  });
  const families = readAll(manager);
  expect(seriesValue(families, 'export_series', 'remote_write')).toBe(4);
  expect(seriesValue(families, 'export_series', 'otlp')).toBe(7);
  expect(seriesValue(families, 'export_samples_dropped', 'remote_write', 'full')).toBe(2);
  expect(seriesValue(families, 'export_state', 'otlp', 'ok')).toBe(1);
  expect(seriesValue(families, 'export_state', 'otlp', 'degraded')).toBe(0);
  const labelsOf = new Map(MASTER_FAMILIES.map(({ name, labels }) => [name, labels]));
  for (const { family, series } of families) {
    for (const { labels } of series) expect(labels.map(([name]) => name)).toEqual(labelsOf.get(family.name));
  }
});

test('alerts are told by state, severity, rule and receiver, and nothing of them while they are off', async () => {
  const manager = await startManager();
  expect(readAll(manager).filter(({ family }) => family.name.startsWith('pulselane_alert'))).toEqual([]);
  const receivers = [alertReceiver(), alertReceiver({ target: 1, kind: 'log', oldestQueuedUnixMs: 1 })];
  manager.directory.apply({
    type: 'alertRules',
    loaded: loadedRules({ rules: [aRule(), aRule({ isDisabled: true })] }),
  });
  const problems = [
    { code: 'store', detail: 'full', sinceUnixMs: 1 },
    ...['Hot', 'Cold'].map((rule) => ({ code: 'rule', detail: 'fails', sinceUnixMs: 1, rule }) as const),
  ] as const;
  manager.directory.apply({ type: 'alertsStatus', status: alertsStatus({ receivers, problems }) });
  const families = readAll(manager);
  expect(seriesValue(families, 'alerts', 'firing', 'page')).toBe(1);
  expect(seriesValue(families, 'alerts', 'pending', 'warning')).toBe(2);
  expect(families.find(({ family }) => family.name === 'pulselane_alerts_degraded')?.series).toHaveLength(2);
  expect(seriesValue(families, 'alert_rules')).toBe(1);
  expect(seriesValue(families, 'alert_evaluations')).toBe(659);
  expect(seriesValue(families, 'alert_evaluation_busy_seconds')).toBe(2.1);
  expect(seriesValue(families, 'alert_rule_errors', 'Hot')).toBe(2);
  expect(seriesValue(families, 'alerts_degraded', 'store')).toBe(1);
  // Two targets of one receiver.
  expect(seriesValue(families, 'alert_notifications', 'hook', 'sent')).toBe(24);
  expect(seriesValue(families, 'alert_notifications', 'hook', 'failed')).toBe(6);
  expect(seriesValue(families, 'alert_dead_letters', 'hook')).toBe(2);
  expect(seriesValue(families, 'alert_queue_notifications', 'hook')).toBe(4);
  expect(seriesValue(families, 'alert_queue_age_seconds', 'hook')).toBeGreaterThan(1e9);
  const labelsOf = new Map(MASTER_FAMILIES.map(({ name, labels }) => [name, labels]));
  for (const { family, series } of families) {
    for (const { labels } of series) expect(labels.map(([name]) => name)).toEqual(labelsOf.get(family.name));
  }
});
