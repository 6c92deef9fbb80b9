import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { GUIDES } from '../../src/http/docs/guides.ts';
import { prose } from '../../src/http/docs/prose.ts';
import { membersOf, type Schema, typeOf } from '../../src/http/docs/schema-members.ts';
import { ERRORS } from '../../src/lib/errors.ts';
import { newApp } from './support.ts';

async function docs() {
  const { app } = newApp();
  const response = await app.request('/api/docs');
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

test('what the guides ask for is answered', async () => {
  const { app } = newApp();
  const targets = GUIDES.flatMap(({ example = '' }) => /http:\/\/localhost:8080([^"' ]+)/.exec(example)?.[1] ?? []);
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
