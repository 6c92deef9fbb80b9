/** The dashboards are those that the code makes, and what Grafana needs is in them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { dashboardFiles, FOLDER } from '../../scripts/dashboards.ts';
import { postgres } from '../../src/history/postgres/open.ts';
import { batchOf, HOUR, KEEP_ALL, sampleRun, settle, taskRun } from '../history/history-data.ts';
import { ROOT } from '../support/doc-pages.ts';
import { describeWithPostgres } from '../support/postgres.ts';
import { DASHBOARDS, type Json, queriesOf } from './dashboards.ts';
import { promqlOf, sqlOf } from './grafana-variables.ts';

test('the committed dashboards are those of the code; npm run generate writes them', () => {
  const made = dashboardFiles();
  expect(DASHBOARDS.map(({ file }) => file)).toEqual([...made.keys()].sort());
  for (const [name, text] of made) expect(readFileSync(join(FOLDER, name), 'utf8'), name).toBe(text);
});

describe.each(DASHBOARDS)('$file', ({ file, dashboard }) => {
  const panels = dashboard.panels as readonly Json[];
  const shown = panels.filter(({ type }) => type !== 'row');

  test('imports everywhere: a uid of its own, no id, the data source as a variable', () => {
    expect(dashboard.uid).toBe(file.replace('.json', ''));
    expect(dashboard).not.toHaveProperty('id');
    expect(dashboard.templating.list[0]).toMatchObject({ name: 'datasource', type: 'datasource' });
    const uids = Array.from(
      JSON.stringify(dashboard).matchAll(/"datasource":\{"type":"\w+","uid":"([^"]*)"/g),
      ([, uid]) => uid,
    );
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana
    expect(new Set(uids)).toEqual(new Set(['${datasource}']));
  });

  test('each panel has a title, says what it shows, and has a unit', () => {
    expect(shown.length).toBeGreaterThan(10);
    for (const { title, description, type, fieldConfig, options, targets } of shown) {
      expect(title, title).not.toBe('');
      expect(description, title).toMatch(/^[A-Z].*\.$/);
      if (type === 'table') continue;
      expect(fieldConfig.defaults.unit ?? options.yAxis?.unit, title).toBeTypeOf('string');
      expect(targets.length, title).toBeGreaterThan(0);
    }
  });

  test('panels neither overlap nor leave the grid, and have ids of their own', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { title, gridPos } of panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x},${y}`), title).toBe(false);
          taken.add(`${x},${y}`);
        }
      }
    }
  });

  test('each variable that a query names is there', () => {
    const names = dashboard.templating.list.map(({ name }: Json) => name);
    const values = Object.fromEntries(names.map((name: string) => [name, 'x']));
    const choice = { values, interval: '1m', range: '3h' };
    const isSql = dashboard.templating.list[0].query === 'postgres';
    for (const { where, text } of queriesOf(isSql ? 'postgres' : 'prometheus')) {
      if (!where.startsWith(`${dashboard.title}:`)) continue;
      expect(() => (isSql ? sqlOf(text, choice, 'now()', 'now()') : promqlOf(text, choice)), where).not.toThrow();
    }
  });

  test('titles of panels name no unknown variable', () => {
    const names = dashboard.templating.list.map(({ name }: Json) => name);
    for (const { title } of shown) {
      for (const [, name] of title.matchAll(/\$(\w+)/g)) expect(names).toContain(name);
    }
  });
});

test('variables become what Grafana makes of them', () => {
  const choice = { values: { worker: ['a.b', 'c'], all: '.*', one: ["o'x"] }, interval: '1m', range: '3h' };
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana
  expect(promqlOf('x{w=~"$worker", a=~"${all}", o=~"$one"}[$__rate_interval]', choice)).toBe(
    'x{w=~"(a\\\\.b|c)", a=~".*", o=~"o\'x"}[1m]',
  );
  expect(sqlOf("$__timeGroup(at, '$__interval') IN ($one)", choice, 'f', 't')).toBe(
    "floor(extract(epoch from at)/60)*60 IN ('o''x')",
  );
  expect(() => promqlOf('$nothing', choice)).toThrow('unknown variable $nothing');
});

test('the provisioning finds the dashboards and both data sources', () => {
  const read = (name: string) => parse(readFileSync(`${ROOT}deploy/grafana/${name}`, 'utf8')) as Json;
  const { providers } = read('pulselane-dashboards.yaml');
  expect(providers).toHaveLength(1);
  expect(providers[0]).toMatchObject({ type: 'file', options: { path: '/var/lib/grafana/dashboards/pulselane' } });
  const types = ['pulselane-prometheus.yaml', 'pulselane-postgres.yaml'].map((name) => read(name).datasources[0].type);
  expect(types).toEqual(['prometheus', 'postgres']);
});

describeWithPostgres(18)('every query of the dashboard of history', (server) => {
  const from = "now() - interval '30 days'";
  const choice = { values: { worker: ["it's", 'worker-1'], metric: "queue's depth" }, interval: '1m', range: '30d' };

  test('runs on a real server, and has an answer', async () => {
    const url = await server().createDatabase();
    const writer = await postgres.openWriter({ kind: 'postgres', url }, () => undefined);
    try {
      const nowMs = Date.now();
      await writer.begin({ bootId: 'b1', startedMs: nowMs - 3 * HOUR });
      const keys = [
        'cpu_usage',
        'memory_usage',
        'storage_usage',
        'gpu_usage',
        'running_tasks',
        "metrics.queue's depth",
      ];
      const samples = sampleRun({ workerId: "it's", count: 1000, fromMs: nowMs - 3 * HOUR, stepMs: 10_000, keys });
      const state = { type: 'state', workerId: "it's" } as const;
      await writer.write(
        batchOf('b1', 1, {
          samples: [samples],
          taskRuns: [
            taskRun({
              workerId: "it's",
              taskId: '1',
              firstSeenMs: nowMs - HOUR,
              lastSeenMs: nowMs - 1,
              outcome: 'failed',
              exitCode: 1,
            }),
            taskRun({
              workerId: "it's",
              taskId: '2',
              firstSeenMs: nowMs - HOUR,
              lastSeenMs: nowMs - 1,
              outcome: 'finished',
            }),
          ],
          events: [
            { ...state, id: 1, atUnixMs: nowMs - HOUR, from: 'active', to: 'inactive', cause: 'silence' },
            { ...state, id: 2, atUnixMs: nowMs - 1, from: 'inactive', to: 'active', cause: 'heartbeat' },
          ],
          gaps: [{ workerId: undefined, fromMs: nowMs - HOUR, toMs: nowMs, reason: 'clock_set', lost: 3 }],
        }),
      );
      await settle(writer, nowMs + HOUR, KEEP_ALL);
    } finally {
      await writer.close();
    }
    const queries = queriesOf('postgres');
    expect(queries.length).toBeGreaterThan(20);
    for (const { where, text, format } of queries) {
      const rows = await server()
        .sql(url, sqlOf(text, choice, from, 'now()'))
        .catch((error: Error) => {
          throw new Error(`${where}: ${error.message}`);
        });
      expect(rows.length, where).toBeGreaterThan(0);
      if (format === 'time_series') expect(Object.keys(rows[0] ?? {}), where).toContain('time');
      const values = rows.flatMap((row) => Object.values(row));
      expect(
        values.some((value) => value !== null && value !== '0'),
        where,
      ).toBe(true);
    }
  });
});
