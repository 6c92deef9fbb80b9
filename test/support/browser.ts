/**
 * A real Chromium for tests of pages: one for each test file, whose pages fail the test if anything is wrong with them.
 *
 *     describeWith('chromium')('the fleet view', () => {
 *       const browser = testBrowser();
 *       test('shows …', async () => {
 *         const page = await browser.openPage(`${url}/`, { token, width: 390, height: 844 });
 *         await page.getByRole('row', { name: 'render-1' }).waitFor();
 *       });
 *     });
 *
 * At the end of each test all its pages are closed, and the test fails with each console error or warning, uncaught error, violation of
 * the Content-Security-Policy, request to another origin, and layout shift of its pages. A test that provokes some names them (`allow`).
 */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { eventually } from './eventually.ts';

const CHROMIUM = '/usr/bin/chromium';

export interface PageOptions {
  /** What the user's system prefers. Default: light. */
  readonly colorScheme?: 'light' | 'dark';
  /** In CSS pixels. Default: 1280. */
  readonly width?: number;
  /** Default: 800. */
  readonly height?: number;
  /** The user prefers less motion. Default: true, so that what a test sees does not depend on the moment. */
  readonly reducesMotion?: boolean;
  readonly timezoneId?: string;
  /** An API token; the page is opened by who logged in with it. */
  readonly token?: string;
  /** Problems that the test provokes, by their text. */
  readonly allow?: readonly RegExp[];
}

/** Somebody's browser: its tabs share cookies, storage and workers. */
export class Visitor {
  readonly context: BrowserContext;
  readonly #problems: string[] = [];
  readonly #allow: RegExp[];
  /** Of the first page; undefined before. */
  #origin: string | undefined;

  constructor(context: BrowserContext, allow: readonly RegExp[]) {
    this.context = context;
    this.#allow = [...allow];
  }

  /** What was wrong so far, in the order of its discovery. */
  get problems(): readonly string[] {
    return this.#problems.filter((problem) => !this.#allow.some((allowed) => allowed.test(problem)));
  }

  /** From here on and before, such problems are what the test provokes. */
  allow(...problems: readonly RegExp[]): void {
    this.#allow.push(...problems);
  }

  async watch(): Promise<void> {
    await this.context.exposeBinding('pulselaneTestProblem', (_, problem: string) => void this.#problems.push(problem));
    await this.context.addInitScript({ path: fileURLToPath(new URL('in-page/watch.js', import.meta.url)) });
    this.context.on('console', (message) => {
      const type = message.type();
      if (type === 'error' || type === 'warning') {
        this.#problems.push(`console ${type}: ${message.text()} (${message.location().url})`);
      }
    });
    this.context.on('weberror', (error) => this.#problems.push(`uncaught: ${error.error().stack ?? error.error()}`));
    this.context.on('request', (request) => {
      const url = new URL(request.url());
      const isOwn = url.origin === this.#origin || url.protocol === 'data:' || url.protocol === 'blob:';
      if (!isOwn) this.#problems.push(`request to another origin: ${url.href}`);
    });
  }

  /** Exchanges the token for a session, as the login page does. */
  async loginAs(url: string, token: string): Promise<void> {
    const { origin } = new URL(url);
    const answer = await this.context.request.post(`${origin}/login`, {
      form: { token },
      headers: { origin },
      maxRedirects: 0,
    });
    if (answer.status() !== 303) throw new Error(`the login was answered with ${answer.status()}`);
  }

  /** Another tab. */
  async openTab(url: string): Promise<Page> {
    this.#origin ??= new URL(url).origin;
    const page = await this.context.newPage();
    await page.goto(url);
    return page;
  }
}

export class TestBrowser {
  readonly #mark = `--pulselane-test=${randomUUID()}`;
  #browser: Browser | undefined;
  /** Of the browser's process, which is also that of its process group. */
  #pid: number | undefined;
  readonly #visitors = new Set<Visitor>();

  async start(): Promise<void> {
    this.#browser = await chromium.launch({
      executablePath: CHROMIUM,
      // Root has no sandbox. There is no GPU, and nothing may be asked for beyond this machine.
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
        '--force-color-profile=srgb',
        '--font-render-hinting=none',
        this.#mark,
      ],
    });
    this.#pid = processes().find(
      ({ commandLine, pid, group }) => pid === group && commandLine.includes(this.#mark),
    )?.pid;
    console.log(`Chromium ${this.#browser.version()}`);
  }

  /** Of Chromium, as of `156.0.8078.108`. */
  get version(): string {
    return this.#started.version();
  }

  get #started(): Browser {
    if (this.#browser === undefined) throw new Error('the browser runs only within tests');
    return this.#browser;
  }

  /** Somebody new, with no cookies. */
  async newVisitor({
    colorScheme = 'light',
    width = 1280,
    height = 800,
    reducesMotion = true,
    timezoneId = 'UTC',
    allow = [],
  }: Omit<PageOptions, 'token'> = {}): Promise<Visitor> {
    const context = await this.#started.newContext({
      colorScheme,
      viewport: { width, height },
      reducedMotion: reducesMotion ? 'reduce' : 'no-preference',
      timezoneId,
      locale: 'en-GB',
    });
    const visitor = new Visitor(context, allow);
    this.#visitors.add(visitor);
    await visitor.watch();
    return visitor;
  }

  /** A page of somebody new. */
  async openPage(url: string, { token, ...options }: PageOptions = {}): Promise<Page> {
    const visitor = await this.newVisitor(options);
    if (token !== undefined) await visitor.loginAs(url, token);
    return visitor.openTab(url);
  }

  /** The visitor whose tab it is. */
  visitorOf(page: Page): Visitor {
    const visitor = [...this.#visitors].find(({ context }) => context === page.context());
    if (visitor === undefined) throw new Error('the page is of an earlier test');
    return visitor;
  }

  /** Closes all pages. @returns what was wrong with them */
  async closePages(): Promise<readonly string[]> {
    const visitors = [...this.#visitors];
    this.#visitors.clear();
    // Layout shifts and violations are told by the page itself, in its next turn.
    const pages = visitors.flatMap(({ context }) => context.pages());
    await Promise.all(pages.map((page) => page.evaluate('new Promise((done) => setTimeout(done))').catch(() => {})));
    await Promise.all(visitors.map(({ context }) => context.close()));
    return visitors.flatMap(({ problems }) => problems);
  }

  /** Resolves when no process of it is left. */
  async stop(): Promise<void> {
    await this.#browser?.close();
    this.#browser = undefined;
    if (this.#pid !== undefined) await eventually(() => processes().every(({ group }) => group !== this.#pid));
  }
}

/** The browser of this block of tests. Call it within `describeWith('chromium')`. */
export function testBrowser(): TestBrowser {
  const browser = new TestBrowser();
  beforeAll(() => browser.start());
  afterEach(async () => {
    expect(await browser.closePages()).toEqual([]);
  });
  afterAll(() => browser.stop());
  return browser;
}

/** Makes the page as one in a tab that is not shown, or shows it again. Chromium without a window shows all its tabs. */
export async function setHidden(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate(`
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${isHidden} });
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => '${isHidden ? 'hidden' : 'visible'}' });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  `);
}

const axeSource = () => readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  readonly id: string;
  readonly impact: string | null;
  readonly help: string;
  readonly nodes: readonly { readonly target: readonly unknown[]; readonly failureSummary?: string }[];
}

/** What axe-core finds of impact `serious` or `critical`, one line each; empty: nothing. */
export async function accessibilityProblems(page: Page): Promise<readonly string[]> {
  await page.evaluate(axeSource());
  const violations = await page.evaluate<readonly Violation[]>('axe.run().then(({ violations }) => violations)');
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, impact, help, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${impact} ${id}: ${help}: ${target.join(' ')}: ${failureSummary}`),
    );
}

interface ProcessFacts {
  readonly pid: number;
  readonly group: number;
  readonly commandLine: string;
}

/** Those that run, of this machine. */
function processes(): readonly ProcessFacts[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // Behind the name in parentheses: state, parent, process group.
        const [state, , group] = readFileSync(`/proc/${name}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ');
        if (state === 'Z') return [];
        const commandLine = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        return [{ pid: Number(name), group: Number(group), commandLine }];
      } catch {
        // It ended meanwhile.
        return [];
      }
    });
}
