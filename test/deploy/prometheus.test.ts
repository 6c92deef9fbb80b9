/** deploy/prometheus/: what promtool and amtool say of it, its unit tests, and that it names what there is. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { describeWith } from '../support/debian.ts';
import { ROOT } from '../support/doc-pages.ts';
import { promtool } from '../support/prometheus-server.ts';
import { type Json, queriesOf } from './dashboards.ts';
import { ALERTS, EXPOSED, metricsIn, PROMETHEUS_FOLDER, RECORDED, RULE_FILES, RULES } from './prometheus-rules.ts';

test('rules name only metrics that there are', () => {
  expect(RULES.length).toBeGreaterThan(35);
  const known = new Set([...EXPOSED, ...RECORDED]);
  for (const { alert, record, expr } of RULES) {
    const unknown = metricsIn(expr).filter((name) => !known.has(name));
    expect(unknown, alert ?? record).toEqual([]);
  }
});

test('dashboards name only metrics that there are, and need no recording rules', () => {
  const queries = queriesOf('prometheus');
  expect(queries.length).toBeGreaterThan(80);
  for (const { where, text } of queries) {
    const names = text.startsWith('label_values(') ? metricsIn(text.slice('label_values('.length)) : metricsIn(text);
    expect(
      names.filter((name) => !EXPOSED.has(name)),
      where,
    ).toEqual([]);
  }
});

test('each alert has a severity, a summary and a runbook that is there', () => {
  const page = readFileSync(`${ROOT}docs/prometheus-alerts.md`, 'utf8');
  const headings = Array.from(page.matchAll(/^## (\w+)$/gm), ([, heading = '']) => heading);
  expect(ALERTS.map(({ alert }) => alert)).toEqual(expect.arrayContaining(headings));
  expect(headings).toHaveLength(ALERTS.length);
  for (const { alert = '', labels, annotations } of ALERTS) {
    expect(['critical', 'warning'], alert).toContain(labels?.severity);
    expect(annotations?.summary, alert).toMatch(/\.$/);
    expect(headings, alert).toContain(alert);
    expect(annotations?.runbook_url).toBe(`docs/prometheus-alerts.md#${alert.toLowerCase()}`);
  }
});

test('Alertmanager’s inhibition rules name alerts that there are', () => {
  const { inhibit_rules } = parse(readFileSync(`${PROMETHEUS_FOLDER}alertmanager.yml`, 'utf8')) as {
    inhibit_rules: { source_matchers: string[]; target_matchers: string[] }[];
  };
  const names = ALERTS.map(({ alert = '' }) => alert);
  for (const { source_matchers, target_matchers } of inhibit_rules) {
    for (const matcher of [...source_matchers, ...target_matchers]) {
      const [, operator, value = ''] = /^alertname (=|!=|=~) "(.+)"$/.exec(matcher) ?? [];
      const matched = names.filter((name) =>
        operator === '=~' ? new RegExp(`^(?:${value})$`).test(name) : name === value,
      );
      expect(matched, matcher).not.toEqual([]);
    }
  }
});

describeWith('prometheus')('promtool', () => {
  test('accepts the configuration and the rules', () => {
    const { status, output } = promtool(['check', 'config', `${PROMETHEUS_FOLDER}prometheus.yml`]);
    expect(output).toContain('prometheus.yml is valid');
    expect(status).toBe(0);
    const rules = promtool(['check', 'rules', '--lint-fatal', ...RULE_FILES.map((file) => PROMETHEUS_FOLDER + file)]);
    expect(rules.output).not.toContain('FAILED');
    expect(rules.status).toBe(0);
  });

  test('accepts the configuration with all lines for tokens and TLS', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pulselane-promtool-'));
    try {
      const text = readFileSync(`${PROMETHEUS_FOLDER}prometheus.yml`, 'utf8');
      const whole = text
        .replaceAll(
          /^ *# +(?:authorization|scheme|tls_config|ca_file|cert_file|key_file|credentials_file):.*$/gm,
          (line) => line.replace('# ', ''),
        )
        .replaceAll('/etc/prometheus', folder);
      for (const [, name = ''] of whole.matchAll(/_file: .*\/(.+)$/gm)) writeFileSync(join(folder, name), '');
      for (const name of RULE_FILES) copyFileSync(PROMETHEUS_FOLDER + name, join(folder, name));
      writeFileSync(join(folder, 'prometheus.yml'), whole);
      const { status, output } = promtool(['check', 'config', join(folder, 'prometheus.yml')]);
      expect(output).toContain('is valid');
      expect(status).toBe(0);
      const [ofMaster, ofMachines] = (parse(whole) as Json).scrape_configs;
      for (const one of [ofMaster, ofMachines.http_sd_configs[0]]) {
        expect(one.authorization.credentials_file).toBe(join(folder, 'pulselane.token'));
        expect(one.tls_config.ca_file).toBe(join(folder, 'pulselane-ca.crt'));
      }
      expect(ofMaster).toMatchObject({
        scheme: 'https',
        tls_config: { key_file: join(folder, 'pulselane-client.key') },
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('passes the unit tests of the rules', () => {
    const tests = readdirSync(`${PROMETHEUS_FOLDER}tests`).map((file) => `${PROMETHEUS_FOLDER}tests/${file}`);
    const { status, output } = promtool(['test', 'rules', ...tests]);
    expect(output).not.toContain('FAILED');
    expect(status).toBe(0);
    expect(output.match(/SUCCESS/g)).toHaveLength(tests.length);
  });

  test('each alert fires in a unit test', () => {
    const tests = readdirSync(`${PROMETHEUS_FOLDER}tests`)
      .map((file) => readFileSync(`${PROMETHEUS_FOLDER}tests/${file}`, 'utf8'))
      .join('\n');
    for (const { alert } of ALERTS) expect(tests).toContain(`alertname="${alert}"`);
  });
});

describeWith('prometheus-alertmanager')('amtool', () => {
  test('accepts the configuration', () => {
    const { status, stdout, stderr } = spawnSync('amtool', ['check-config', `${PROMETHEUS_FOLDER}alertmanager.yml`], {
      encoding: 'utf8',
    });
    expect(`${stdout}${stderr}`).toContain('SUCCESS');
    expect(status).toBe(0);
  });
});
