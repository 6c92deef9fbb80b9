import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { loadedRules } from '../../src/alerts/loaded-rules.ts';
import { parseRules } from '../../src/alerts/rules/parse-rules.ts';
import { GUIDES } from '../../src/http/docs/guides.ts';
import { ORIGIN, shownHost } from '../../src/http/docs/origin.ts';
import { prose } from '../../src/http/docs/prose.ts';
import { membersOf, type Schema, typeOf } from '../../src/http/docs/schema-members.ts';
import { ERRORS } from '../../src/lib/errors.ts';
import { newApp } from './support.ts';

async function docs(host?: string) {
  const { app } = newApp();
  const response = await app.request('/api/docs', host === undefined ? {} : { headers: { host } });
  return { headers: response.headers, html: await response.text() };
}

test('the page tells every operation and every error code', async () => {
  const { html } = await docs();
  const document = await (await newApp().app.request('/api/v1/openapi.json')).json();
  const operations = Object.entries((document as { paths: object }).paths).flatMap(([path, item]) =>
    Object.values(item as object).map(({ operationId }) => [path, operationId] as const),
  );
  expect(operations.length).toBeGreaterThan(10);
  for (const [path, id] of operations) {
    expect(html).toContain(`<article id="${id}">`);
    expect(html).toContain(`<code>${path}</code>`);
    expect(html.match(new RegExp(` id="${id}"`, 'g'))).toHaveLength(1);
  }
  for (const [code, { httpStatus }] of Object.entries(ERRORS)) {
    expect(html).toMatch(new RegExp(`<code>${code}</code></td>\\s*<td>${httpStatus}</td>`));
  }
  expect(html).not.toMatch(/undefined|\[object/);
});

test('a body that is sent is told with its members and an example', async () => {
  const { html } = await docs();
  const article = /<article id="isolateWorker">.*?<\/article>/s.exec(html)?.[0] ?? '';
  expect(article).toContain('Body, as application/json');
  expect(article).toMatch(/<td><code>lane<\/code><\/td>/);
  expect(article).toMatch(/&quot;lane&quot;: &quot;dedicated&quot;/);
});

test('every link within the page leads somewhere', async () => {
  const { html } = await docs();
  const targets = Array.from(html.matchAll(/href="#([^"]+)"/g), ([, id]) => id);
  expect(targets.length).toBeGreaterThan(10);
  for (const id of targets) expect(html).toContain(` id="${id}"`);
});

test('the page runs no script, fetches nothing, and its style is the one that is allowed', async () => {
  const { headers, html } = await docs();
  expect(html).not.toMatch(/<script|<link|<img|style="|@import|url\(| on\w+="/);
  const [, style = ''] = /<style>(.*?)<\/style>/s.exec(html) ?? [];
  const hash = createHash('sha256').update(style).digest('base64');
  expect(headers.get('content-security-policy')).toBe(
    `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
  expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
});

test('the runbook of each shipped rule opens at its section', async () => {
  const { app } = newApp();
  const loaded = loadedRules(parsedRules(), 1, 0, 'https://pulselane.example.org/m');
  expect(loaded.rules.length).toBeGreaterThan(10);
  for (const { name, runbookUrl } of loaded.rules) {
    const link = new URL(runbookUrl ?? '');
    expect(link.href).toMatch(/^https:\/\/pulselane\.example\.org\/m\/api\//);
    const page = await app.request(link.pathname.slice('/m'.length));
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const html = await page.text();
    const section = new RegExp(`<section id="${link.hash.slice(1)}">\\s*<h2>${name}</h2>\\s*<p>\\w`);
    expect(html).toMatch(section);
    expect(html).not.toMatch(/\]\(|\*\*|undefined/);
  }
});

function parsedRules() {
  const { rules, problems } = parseRules('rules: []', { path: undefined, allowsCommands: false, readFile: () => '' });
  if (rules === undefined) throw new Error(JSON.stringify(problems));
  return rules;
}

test.each([
  ['/api/docs', 'text/html; charset=utf-8'],
  ['/api/v1/openapi.json', 'application/json'],
])('%s is compressed for who takes that, and known by its tag', async (path, type) => {
  const { app } = newApp();
  const plain = await app.request(path);
  const bytes = Buffer.from(await plain.arrayBuffer());
  const zipped = await app.request(path, { headers: { 'accept-encoding': 'gzip' } });
  expect(zipped.headers.get('content-encoding')).toBe('gzip');
  const small = Buffer.from(await zipped.arrayBuffer());
  expect(zipped.headers.get('content-length')).toBe(String(small.length));
  expect(small.length).toBeLessThan(bytes.length / 3);
  expect(gunzipSync(small)).toEqual(bytes);
  const etag = plain.headers.get('etag') as string;
  const known = await app.request(path, { headers: { 'if-none-match': etag } });
  expect([known.status, await known.text()]).toEqual([304, '']);
  // What a browser keeps for the page it has.
  for (const name of ['content-type', 'content-security-policy', 'vary', 'cache-control', 'etag']) {
    for (const { headers } of [zipped, known]) expect(headers.get(name), name).toBe(plain.headers.get(name));
  }
  expect(plain.headers.get('content-type')).toBe(type);
  expect(plain.headers.get('vary')).toBe('Accept-Encoding');
});

test('examples use the host of the request, and one with characters of a shell is not repeated', async () => {
  const { html } = await docs('127.0.0.1:9999');
  expect(html).toContain('<code>curl http://127.0.0.1:9999/api/v1/workers/worker-1</code>');
  expect(html).toContain('<code>websocat ws://127.0.0.1:9999/ws/telemetry</code>');
  expect(html).toContain(
    'curl -X PUT -H &#39;Content-Type: application/json&#39; -d &#39;{&quot;lane&quot;:&quot;dedicated&quot;}&#39; ' +
      'http://127.0.0.1:9999/api/v1/workers/worker-1/isolation',
  );
  expect(html).not.toContain('origin.invalid');
  expect((await docs('[::1]:80')).html).toContain('curl http://[::1]:80/api/v1/cluster');
  expect((await docs()).html).toContain('curl http://localhost:8080/api/v1/cluster');
  for (const host of ['a$(b).localhost', "a';b", 'a&b', 'a<b', 'a`b', 'a b', '']) {
    expect(shownHost(host), host).toBe('localhost:8080');
  }
});

test('one app shows each client the host that it asked, more hosts than are kept, and each has its own tag', async () => {
  const { app } = newApp();
  const tags = new Set<string | null>();
  for (const round of [1, 2]) {
    for (let port = 1; port <= 6; port++) {
      const response = await app.request('/api/docs', { headers: { host: `localhost:${port}` } });
      expect(await response.text(), String(round)).toContain(`curl http://localhost:${port}/livez<`);
      tags.add(response.headers.get('etag'));
    }
  }
  expect(tags.size).toBe(6);
});

test('the contents list every operation once, in the group that has it', async () => {
  const { html } = await docs();
  const contents = /<nav .*?<\/nav>/s.exec(html)?.[0] ?? '';
  const groups = Array.from(contents.matchAll(/<h2><a href="#(group-[^"]+)">([^<]+)<.*?<\/section>/gs));
  expect(groups.map(([, , name]) => name)).toEqual([
    'Workers',
    'Reporting',
    'Fleet',
    'History',
    'Live updates',
    'Events and holds',
    'Alerts',
    'Lanes and limits',
    'Monitoring',
    'Model Context Protocol',
    'Probes',
    'Login',
    'Routes of the earlier Go system',
    'API description',
  ]);
  const listed = groups.flatMap(([text, id]) =>
    Array.from(text.matchAll(/<li>.*?href="#([^"]+)"/gs), ([, operation]) => `${id} ${operation}`),
  );
  const shown = Array.from(html.matchAll(/<section id="(group-[^"]+)">(.*?)<\/section>/gs)).flatMap(
    ([, id, text = '']) => Array.from(text.matchAll(/<article id="([^"]+)"/g), ([, operation]) => `${id} ${operation}`),
  );
  expect(listed).toEqual(shown);
  expect(new Set(listed).size).toBe(html.match(/<article /g)?.length);
});

test('neither the page nor the document speaks of a seed', async () => {
  const { html } = await docs();
  const document = await (await newApp().app.request('/api/v1/openapi.json')).text();
  expect(html + document).not.toMatch(/seed/i);
});

test('what the guides ask for is answered', async () => {
  const { app } = newApp();
  const targets = GUIDES.flatMap(({ example = '' }) => /^([^"' ]+)/.exec(example.split(ORIGIN)[1] ?? '')?.[1] ?? []);
  expect(targets.length).toBeGreaterThan(3);
  for (const target of targets) {
    const method = target.startsWith('/api/v1/stream') ? 'HEAD' : 'GET';
    expect((await app.request(target, { method })).status, target).toBe(200);
  }
});

test('what is described stays text', () => {
  expect(String(prose('a <b>`<i>`\n- one\n- `two`'))).toBe(
    '<p>a &lt;b&gt;<code>&lt;i&gt;</code></p><ul><li>one</li><li><code>two</code></li></ul>',
  );
  expect(String(prose(undefined))).toBe('');
});

test('a schema is told member by member, through references, lists, maps and nulls', () => {
  const task = { type: 'object', properties: { at: { type: 'string', format: 'date-time', description: 'When.' } } };
  const resolve = (schema: Schema) => ('$ref' in schema ? task : schema);
  const schema = {
    type: 'object',
    properties: {
      tasks: { type: 'array', items: { $ref: '#/x' } },
      last: { anyOf: [{ $ref: '#/x' }, { type: 'null' }], description: 'The last.' },
      by: { type: 'object', additionalProperties: { type: 'number' } },
      state: { type: ['string', 'null'], enum: ['on', 'off', null] },
    },
  };
  expect(membersOf(schema, resolve)).toEqual([
    { path: 'tasks', type: 'list of object', description: '' },
    { path: 'tasks[].at', type: 'time', description: 'When.' },
    { path: 'last', type: 'object or null', description: 'The last.' },
    { path: 'last.at', type: 'time', description: 'When.' },
    { path: 'by', type: 'map to number', description: '' },
    { path: 'state', type: 'on, off, null', description: '' },
  ]);
  expect(typeOf({ const: 'x' }, resolve)).toBe('"x"');
});
