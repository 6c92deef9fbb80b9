import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { jsonSchema, withTables } from '../../scripts/alert-rules.ts';
import { runbooksIn } from '../../scripts/alert-runbooks.ts';
import { checkTemplate } from '../../src/alerts/expression/template.ts';
import { parseFixture } from '../../src/alerts/replay/fixture.ts';
import { parseRules } from '../../src/alerts/rules/parse-rules.ts';
import { shippedRules } from '../../src/alerts/rules/shipped.ts';
import { ALERT_RUNBOOKS } from '../../src/http/docs/alert-runbooks.ts';

const pageOf = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const page = pageOf('alert-rules.md');
const schema = pageOf('alert-rules.schema.json');

/** The examples of the page in YAML. */
const examples = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text);

test('the tables and the schema are those of the code; npm run generate writes them', () => {
  expect(withTables(page)).toBe(page);
  expect(jsonSchema()).toBe(schema);
});

test('each example of the page is right, and fits the schema', () => {
  const validate = new Ajv2020({ strict: false }).compile(JSON.parse(schema));
  const files = examples.filter((text) => !/^(annotations|interval):/.test(text));
  expect(files.length).toBeGreaterThanOrEqual(4);
  // Examples of routes use the receivers of the example before.
  const receivers = files.find((text) => text.startsWith('receivers:\n')) ?? '';
  for (const text of files) {
    const whole = text.includes('receivers:')
      ? `${text}route: { receiver: log }\n`.replace(/(route:.*)\nroute:.*\n/s, '$1\n')
      : text.includes('route:')
        ? receivers + text
        : text;
    const { problems } = parseRules(whole.includes('route:') ? whole : text, {
      path: '/x/rules.yaml',
      allowsCommands: false,
      readFile: (path) => (path.endsWith('slack-url') ? 'https://hooks.slack.example/x' : 'a'.repeat(32)),
    });
    expect(problems, text).toBeUndefined();
    expect(validate(parse(text)), JSON.stringify(validate.errors)).toBe(true);
  }
  const series = examples.filter((text) => text.startsWith('interval:'));
  expect(series).toHaveLength(1);
  for (const text of series) expect(parseFixture(text).problems).toBeUndefined();
  for (const text of examples.filter((one) => one.startsWith('annotations:'))) {
    const { annotations } = parse(text) as { annotations: Record<string, string> };
    for (const template of Object.values(annotations)) expect(checkTemplate(template, 'worker').problems).toEqual([]);
  }
});

test('the schema refuses what the check refuses', () => {
  const validate = new Ajv2020({ strict: false }).compile(JSON.parse(schema));
  for (const text of [
    'ruls: []',
    'rules: [{ alert: A }]',
    'rules: [{ alert: A, when: stuck, for: 5 }]',
    'rules: [{ alert: A, when: stuck, for_each: task }]',
    'receivers: [{ name: a, webhoook: {} }]',
    'receivers: [{ name: a, webhook: { url: "http://x/", tokn: a } }]',
    'disable: [Nothing]',
  ]) {
    expect(validate(parse(text)), text).toBe(false);
    expect(
      parseRules(text, { path: undefined, allowsCommands: true, readFile: () => '' }).problems,
      text,
    ).toBeDefined();
  }
});

test('each shipped rule has a section that says what to do', () => {
  const sections = [...pageOf('alert-runbooks.md').matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
  expect(sections).toEqual(shippedRules().map(({ name }) => name));
  expect(ALERT_RUNBOOKS).toEqual(runbooksIn(pageOf('alert-runbooks.md')));
});
