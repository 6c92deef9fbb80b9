/** What the browser of the tests sees of pages that do what no page of ours may do. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { accessibilityProblems, setHidden, testBrowser } from '../support/browser.ts';
import { describeWith } from '../support/debian.ts';
import { eventually } from '../support/eventually.ts';

const SCRIPTS: Record<string, string> = {
  '/throws': 'throw new Error("thrown")',
  '/rejects': 'Promise.reject(new Error("rejected"))',
  '/logs': 'console.error("logged"); console.warn("warned")',
  '/violates':
    'const script = document.createElement("script"); script.textContent = "window.ran = 1"; document.body.append(script)',
  '/reaches': 'fetch("http://127.0.0.1:9/away").catch(() => {})',
  '/shifts': `
    const block = document.createElement("div");
    block.style.height = "200px";
    requestAnimationFrame(() => requestAnimationFrame(() => document.body.prepend(block)))`,
  '/harmless': 'fetch("/data")',
};

const page = (path: string) =>
  `<!doctype html><html lang="en"><title>Page</title><body><main><h1>Text</h1></main><script src="${path}.js"></script></body></html>`;

describeWith('chromium')('the browser of the tests', () => {
  const browser = testBrowser();
  let server: Server;
  let url: string;
  beforeAll(async () => {
    server = createServer((request, response) => {
      const path = request.url ?? '';
      const script = SCRIPTS[path.replace('.js', '')];
      response.setHeader(
        'content-security-policy',
        "default-src 'self'; connect-src *; style-src 'self' 'unsafe-inline'",
      );
      if (path.endsWith('.js')) response.setHeader('content-type', 'text/javascript').end(script);
      else response.setHeader('content-type', 'text/html').end(path === '/data' ? 'data' : page(path));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  test.each([
    ['/throws', /uncaught: .*thrown/s],
    ['/rejects', /uncaught: .*rejected/s],
    ['/logs', /console error: logged/],
    ['/violates', /violation of the CSP: script-src-elem inline/],
    ['/reaches', /request to another origin: http:..127\.0\.0\.1:9.away/],
    ['/shifts', /layout shift of 0\.\d+ at .*: .*body from/],
  ])('%s is found', async (path, problem) => {
    const visitor = await browser.newVisitor();
    await visitor.openTab(`${url}${path}`);
    await eventually(() => visitor.problems.some((found) => problem.test(found)));
    visitor.allow(/./s);
  });

  test('a page that does nothing of the kind passes', async () => {
    const opened = await browser.openPage(`${url}/harmless`, { colorScheme: 'dark', width: 390, height: 844 });
    const media = '["(prefers-color-scheme: dark)", "(width: 390px)", "(prefers-reduced-motion)"]';
    expect(await opened.evaluate(`${media}.map((query) => matchMedia(query).matches)`)).toEqual([true, true, true]);
    await opened.evaluate(() =>
      document.addEventListener('visibilitychange', () => document.body.append(document.visibilityState)),
    );
    await setHidden(opened, true);
    await setHidden(opened, false);
    expect(await opened.evaluate(() => document.body.innerText.replaceAll('\n', ' '))).toBe('Text hiddenvisible');
    expect(await opened.evaluate(() => document.hidden)).toBe(false);
  });

  test('axe-core finds what is seriously wrong', async () => {
    const opened = await browser.openPage(`${url}/harmless`);
    expect(await accessibilityProblems(opened)).toEqual([]);
    await opened.evaluate(() => document.body.append(document.createElement('button')));
    expect(await accessibilityProblems(opened)).toEqual([
      expect.stringMatching(/^critical button-name: .*: button: /s),
    ]);
  });
});
