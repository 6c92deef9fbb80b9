/** A reading thread and its host: real threads, over a fleet in real shared memory. Those of the query pool are the simplest. */
import { afterEach, expect, test } from 'vitest';
import { JsonText } from '../../src/http/bodies/json-text.ts';
import { type PageRequest, writePage } from '../../src/http/query/page.ts';
import type { Outcome, Said, ToPoolThread } from '../../src/http/query/pool-messages.ts';
import type { Answer, Task } from '../../src/http/query/tasks.ts';
import { backOffMs } from '../../src/lib/supervised-thread.ts';
import { Directory } from '../../src/reading/directory.ts';
import { ReaderHost } from '../../src/reading/reader-host.ts';
import { takeIn } from '../../src/reading/reader-thread.ts';
import { MAX_PINGS_UNANSWERED, PING_EVERY_MS, ROSTER_PART } from '../../src/reading/reading-limits.ts';
import { rosterParts } from '../../src/reading/roster-feed.ts';
import { ALL } from '../../src/reading/selection.ts';
import { BoardReader } from '../../src/store/board.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Fleet } from '../support/fleet.ts';

const WORKERS = 3 * ROSTER_PART;

const request: PageRequest = {
  criteria: ALL.criteria,
  sort: undefined,
  fields: 'worker_id,metrics',
  after: undefined,
  limit: 1000,
  revision: 'epochabc-1',
};
const ASK_PAGE: ToPoolThread<Task> = { type: 'task', task: { type: 'page', request, gzip: false } };

const hosts: ReaderHost<ToPoolThread<Task>, Said<Answer>>[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop()));
});

function newReader() {
  const clock = new FakeClock();
  const fleet = new Fleet(clock, 4 * WORKERS);
  const directory = new Directory(new BoardReader(fleet.memory));
  const outcomes: Outcome<Answer>[] = [];
  const deaths: string[] = [];
  let feeds = 0;
  const host = new ReaderHost<ToPoolThread<Task>, Said<Answer>>({
    script: 'http/query/thread',
    name: 'test',
    title: 'the thread of the test',
    data: { board: fleet.memory },
    clock,
    roster: () => rosterParts(directory),
    onFed: () => {
      feeds++;
    },
    onMessage: (said) => {
      if (said !== 'begun' && 'ok' in said) outcomes.push(said);
    },
    onDeath: ({ reason, backOffMs }) => {
      deaths.push(reason);
      return backOffMs;
    },
  });
  hosts.push(host);
  fleet.onAnnounce = (items) => {
    takeIn(directory, items);
    host.announce(items);
  };
  for (let i = 0; i < WORKERS; i++) fleet.register(`worker-${i}`);
  /** What the thread says of everybody. */
  const pageThere = async () => {
    const before = outcomes.length;
    host.post(ASK_PAGE);
    const outcome = await eventually(() => outcomes[before]);
    return outcome.ok && 'bytes' in outcome.answer ? Buffer.from(outcome.answer.bytes).toString() : outcome;
  };
  const pageHere = () => {
    const text = new JsonText();
    writePage(text, directory, request);
    return text.bytes().toString();
  };
  const fed = (times: number) => eventually(() => feeds === times && host.isFed);
  return { clock, fleet, host, outcomes, deaths, pageThere, pageHere, fed };
}

test('a thread knows what is known here, whatever happens while it is told and however often it dies meanwhile', async () => {
  const { clock, fleet, host, deaths, pageThere, pageHere, fed } = newReader();
  host.start();
  let came = 0;
  for (let life = 1; life <= 4; life++) {
    // Turn by turn, as parts of the roster are told.
    for (let turn = 0; turn < 6; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      fleet.forget(`worker-${came}`);
      fleet.register(`new-${came}`);
      fleet.beat(`worker-${came + 400}`, { metrics: new Map([['m'.repeat(3000), came]]) });
      came++;
    }
    await fed(life);
    expect(await pageThere()).toBe(pageHere());
    fleet.register(`late-${life}`);
    expect(await pageThere()).toBe(pageHere());
    await host.thread.thread?.terminate();
    await eventually(() => deaths.length === life);
    fleet.register(`meanwhile-${life}`);
    clock.advance(backOffMs(life));
  }
});

test('nothing of the owner’s comes before the roster, and nothing reaches a thread that is not there', async () => {
  const { host, outcomes, pageThere, pageHere, fed } = newReader();
  host.post(ASK_PAGE);
  host.start();
  expect(host.isFed).toBe(false);
  host.post(ASK_PAGE);
  await fed(1);
  expect(await pageThere()).toBe(pageHere());
  expect(outcomes).toHaveLength(1);
  await host.stop();
  host.post(ASK_PAGE);
  host.start();
  expect(host.thread).toMatchObject({ state: 'stopped', thread: undefined });
});

test('a thread that owes too many signs of life is ended and started again; one that gives them is left alone', async () => {
  const { clock, host, deaths, pageThere, pageHere, fed } = newReader();
  host.start();
  await fed(1);
  await pageThere();
  for (let ping = 0; ping < 2 * MAX_PINGS_UNANSWERED; ping++) {
    clock.advance(PING_EVERY_MS);
    // It answers in order.
    await pageThere();
  }
  expect(deaths).toEqual([]);
  // Without a turn of the loop no answer can come.
  clock.advance((MAX_PINGS_UNANSWERED + 2) * PING_EVERY_MS);
  // It lives, and nothing is told to it any more.
  expect([host.thread.state, host.isFed, deaths]).toEqual(['ready', false, []]);
  await eventually(() => deaths.length === 1);
  expect(deaths).toEqual(['the thread of the test does not answer and is being ended']);
  clock.advance(backOffMs(1));
  await fed(2);
  expect(await pageThere()).toBe(pageHere());
});

test('a thread that does not answer is stuck only while it cannot be ended', async () => {
  const { clock, host, deaths, pageThere, fed } = newReader();
  host.start();
  await fed(1);
  await pageThere();
  const thread = host.thread.thread;
  if (thread === undefined) throw new Error('there is no thread');
  const end = thread.terminate.bind(thread);
  // As if it were held up by the system.
  thread.terminate = () => new Promise(() => {});
  clock.advance((MAX_PINGS_UNANSWERED + 1) * PING_EVERY_MS);
  expect([host.isStuck, deaths]).toEqual([true, []]);
  await end();
  await eventually(() => deaths.length === 1);
  // It waits for its next start.
  expect(host.isStuck).toBe(false);
  clock.advance(backOffMs(1));
  await fed(2);
  host.kill('for another reason');
  expect(host.isStuck).toBe(false);
});

test('a stop is for good, also while the thread is told of everybody', async () => {
  const { clock, fleet, host, deaths } = newReader();
  host.start();
  await Promise.all([host.stop(), host.stop()]);
  fleet.register('late');
  clock.advance(60_000);
  await new Promise((resolve) => setImmediate(resolve));
  expect(host.isFed).toBe(false);
  expect(deaths).toEqual([]);
  expect(host.thread).toMatchObject({ state: 'stopped', thread: undefined });
});
