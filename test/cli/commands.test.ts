import { Writable } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import type { PromptContext } from '../../src/cli/prompt/command.ts';
import { complete } from '../../src/cli/prompt/complete.ts';
import { dispatch } from '../../src/cli/prompt/dispatch.ts';
import { createLogger, silentLogger } from '../../src/lib/logging.ts';
import { newApp } from '../http/support.ts';
import { eventually } from '../support/eventually.ts';
import { addWorker, type PromptMaster, startPromptMaster, stopPromptMasters } from './prompt-context.ts';

/** What is looked at of it. */
interface OpenApi {
  readonly paths: Record<string, Record<string, { responses: Record<number, JsonAnswer> }>>;
}
interface JsonAnswer {
  readonly content: { readonly 'application/json': { readonly example: { readonly message: string } } };
}

afterEach(stopPromptMasters);

function typing(master: PromptMaster, more: Partial<PromptContext> = {}) {
  const context: PromptContext = {
    ...master.context,
    live: async () => {},
    exit: () => undefined,
    exitNow: () => {},
    ...more,
  };
  return (line: string) => dispatch(line, context, silentLogger);
}

describe('a command', () => {
  test('lists the workers by id, with those who wait below', async () => {
    const master = await startPromptMaster({ admission: 'approved' });
    const type = typing(master);
    expect(await type('register node-b')).toBe('node-b is registered and waits for its first heartbeat.');
    expect(await type('register node-b')).toBe('node-b was known before (registered).');
    master.manager.registerWorker('my worker');
    await addWorker(master, 'node-b');
    expect(() => master.manager.processHeartbeat({ workerId: 'stranger' })).toThrow('waits for approval');
    const text = (await type('workers')) ?? '';
    expect(text.split('\n').map((line) => line.trim().split(/ {2,}/)[0])).toEqual([
      'ID',
      'my worker',
      'node-b',
      '',
      '2 workers',
      '',
      'Waiting for approval (approve <id> lets one in)',
      'ID',
      'stranger',
    ]);
    expect(text).toMatch(/node-b {5}active +42\.0% +0\.0% +– +0 +<1s +(<1s|1s) {2}1 dedicated +heartbeat/);
    const some = (await type('workers my')) ?? '';
    expect(some.split('\n').slice(1)).toEqual([
      expect.stringMatching(/^my worker {2}registered /),
      '',
      '1 worker whose id begins with "my"',
    ]);
    expect(await type('workers liveness node')).toMatch(
      /^ID .*\nnode-b +active .*\n1 worker whose id begins with "node"$/s,
    );
    expect(await type('workers x')).toBe('No worker’s id begins with "x".');
    expect(await type('approve stranger')).toBe('stranger is approved.');
    expect(await type('approve later')).toBe('later is approved; it has not reported yet.');
    expect(await typing(await startPromptMaster())('approve later')).toBe(
      'later is approved; it has not reported yet.',
    );
    expect(await type('workers')).not.toContain('Waiting');
  });

  test('shows the fleet, and all of one worker', async () => {
    const master = await startPromptMaster();
    const type = typing(master);
    master.manager.processHeartbeat({
      workerId: 'a b',
      cpuUsage: 10,
      storageUsage: 33,
      runningTasks: [{ taskId: 'render\x1b[2J', cpuAllocated: 2, status: 'running' }],
      metrics: { queue_depth: 3 },
    });
    await eventually(() => master.manager.getWorkerTelemetry('a b')?.metrics.queue_depth === 3);
    master.manager.processHeartbeat({ workerId: 'a b', cpuUsage: -1 });
    await eventually(() => master.context.operator.directory.get('a b')?.slot.counts().rejected === 1);

    const fleet = await type('status');
    expect(fleet).toContain('workers     1, 1 active');
    expect(fleet).toContain('mean usage  CPU 10.0%, memory 0.0%, GPU –, storage 33.0%');
    expect(fleet).toContain('2 accepted: 1 applied, 1 rejected, 0 replaced, 0 lost');

    const one = await type('status "a b"');
    expect(one).toContain('worker          a b');
    expect(one).toMatch(/last rejection {2}cpu_usage.* \(<1s ago\)/);
    expect(one).toContain('render\\x1b[2J  running      2');
    expect(one).toMatch(/queue_depth +3/);
    expect(await type('internal-state')).toContain('Lanes');
  });

  test('lists the workers that match, in the order that is asked for', async () => {
    const master = await startPromptMaster();
    const type = typing(master);
    await addWorker(master, 'web-1', 90);
    await addWorker(master, 'web-2', 10);
    await addWorker(master, 'db', 50);
    const ids = async (line: string) =>
      ((await type(line)) ?? '')
        .split('\n\n')[0]
        ?.split('\n')
        .slice(1)
        .map((row) => row.split(' ')[0]);
    expect(await ids('workers min.cpu_usage=20')).toEqual(['db', 'web-1']);
    expect(await ids('workers web- sort=-cpu_usage')).toEqual(['web-1', 'web-2']);
    expect(await ids('workers sort=cpu_usage limit=2')).toEqual(['web-2', 'db']);
    expect(await ids('workers liveness state=active web-')).toEqual(['web-1', 'web-2']);
    expect(await type('workers state=left')).toBe('No worker matches.');
    expect(await type('workers state=gone')).toMatch(/^state=gone: unknown value "gone"; expected one of registered,/);
    expect(await type('workers sort=size')).toMatch(/^sort=size: cannot sort by "size"; expected one of worker_id,/);
    expect(await type('workers limit=few')).toBe('limit=few: expected a whole number, at least 1');
    expect(await type('workers --state active')).toBe('--state: at the prompt, filters have no dashes: state=active');
    expect(await type('workers --label=zone=a')).toContain('filters have no dashes: label.zone=a');
    // What is no filter is the start of an id.
    expect(await type('workers zone=a')).toBe('No worker’s id begins with "zone=a".');
  });

  test('registers with an address and tells what came of it', async () => {
    const master = await startPromptMaster();
    const type = typing(master);
    expect(await type('register node-a 10.0.0.9:50052')).toBe(
      'node-a is registered and waits for its first heartbeat; the agent at 10.0.0.9:50052 accepted 127.0.0.1:50051 as its master.',
    );
    master.introduction = Promise.resolve({ accepted: false, reason: 'connection refused' });
    expect(await type('register node-a 10.0.0.9:50052')).toBe(
      'node-a was known before (registered); the agent at 10.0.0.9:50052 did not accept this master: connection refused. The master keeps trying.',
    );
    expect(await type('status node-a')).toContain('address         10.0.0.9:50052');
    expect(await type('unregister node-a')).toContain('its next heartbeat admits it again');
  });

  test('isolate says what is decided, and what holds now', async () => {
    const master = await startPromptMaster();
    const type = typing(master);
    await addWorker(master, 'node-a');
    await addWorker(master, 'node-b');
    await eventually(async () => /^lane +\d+ dedicated$/m.test((await type('status node-a')) ?? ''));
    expect(await type('isolate node-a dedicated')).toBe('node-a will have a thread of its own. It has one.');
    expect(await type('isolate node-b dedicated')).toBe(
      'node-b will have a thread of its own. The only one (limited by MAX_DEDICATED_LANES) is used by a worker that ' +
        'needs it as much; it gets the next free one.',
    );
    expect(await type('isolate node-a shared')).toBe('node-a will share a thread. It is about to leave its own.');
    expect(await type('status node-a')).toContain('isolation       shared, decided by an operator');
    expect(await type('isolate node-a auto')).toContain('node-a gets a thread of its own if it needs one. ');
    master.manager.deregisterWorker('node-b', '');
    expect(await type('isolate node-b shared')).toBe(
      'node-b will share a thread. It is absent: this applies once it comes.',
    );
    expect(await type('isolate nobody auto')).toBe('no worker is called nobody');
    expect(await type('isolate node-a alone')).toBe('lane "alone": expected one of auto, dedicated, shared');
    expect(await type('isolate "" auto')).toBe('worker_id is empty');
    expect(await type('isolate node-a')).toBe('usage: isolate <id> auto|dedicated|shared');
  });

  test('answers as the API’s description shows', async () => {
    const master = await startPromptMaster();
    const type = typing(master);
    const { paths } = (await (await newApp().app.request('/api/v1/openapi.json')).json()) as OpenApi;
    const exampleOf = (method: string, path: string): unknown =>
      paths[`/api/v1/workers/{id}${path}`]?.[method]?.responses[200]?.content['application/json'].example.message;
    await addWorker(master, 'worker-0');
    await eventually(async () => /^lane +\d+ dedicated$/m.test((await type('status worker-0')) ?? ''));
    await addWorker(master, 'worker-1');
    expect(await type('isolate worker-1 dedicated')).toBe(exampleOf('put', '/isolation'));
    expect(await type('approve worker-1')).toBe(exampleOf('post', '/approve'));
    expect(await type('unregister worker-1')).toBe(exampleOf('delete', ''));
  });

  test('isolate promises nothing where all workers share lanes', async () => {
    const master = await startPromptMaster({ maxDedicatedLanes: 0 });
    const type = typing(master);
    await addWorker(master, 'node-a');
    expect(await type('isolate node-a dedicated')).toBe(
      'node-a will have a thread of its own. MAX_DEDICATED_LANES is 0: all workers share lanes; the decision is kept.',
    );
    expect(await type('isolate node-a auto')).toBe('node-a gets a thread of its own if it needs one. It shares one.');
  });

  test('that cannot be done says why in one line', async () => {
    const type = typing(await startPromptMaster());
    expect(await type('status nobody')).toBe('no worker is called nobody; "workers" shows all');
    expect(await type('stats nobody')).toContain('no worker is called nobody');
    expect(await type('unregister nobody')).toBe('no worker is called nobody');
    expect(await type('register ..')).toBe('worker_id ".." cannot be named in a URL');
    expect(await type('register a 10.0.0.9')).toContain('address "10.0.0.9": expected host:port');
    expect(await type('status "open')).toBe('a double quote is not closed');
  });

  test('used wrongly shows its usage', async () => {
    const type = typing(await startPromptMaster());
    expect(await type('stats')).toBe('usage: stats <id>');
    expect(await type('workers a b')).toBe('usage: workers [liveness] [<start of id>] [<filter>…]');
    expect(await type('brake now')).toBe('usage: brake [release [<group>]]');
    expect(await type('brake release')).toBe('no brake is active');
    expect(await type('brake release rack')).toBe('no brake is active for group rack');
    expect(await type('brake release ""')).toBe('no brake is active for workers without a group');
    expect(await type('brake')).toBe('No brake is active.');
    expect(await type('events many')).toContain('expected a number of events');
    expect(await type('register')).toBe('usage: register <id> [[tls://]<ip:port>]');
    expect(await type('status a b')).toBe('usage: status [<id>]');
  });

  test('that does not exist suggests the nearest', async () => {
    const type = typing(await startPromptMaster());
    expect(await type('wokers')).toBe('unknown command "wokers"; did you mean "workers"?');
    expect(await type('frobnicate')).toBe('unknown command "frobnicate"; type "help"');
    expect(await type('help statsu')).toContain('did you mean "status"?');
    expect(await type('__proto__')).toContain('unknown command');
  });

  test('is explained by help', async () => {
    const type = typing(await startPromptMaster());
    const all = (await type('help')) ?? '';
    for (const name of ['workers', 'status', 'stats', 'register', 'unregister', 'approve', 'internal-state', 'exit']) {
      expect(all).toMatch(new RegExp(`^${name}`, 'm'));
    }
    expect(await type('help quit')).toBe('exit: stop the master; asks once while workers are connected (also: quit)');
  });

  test('with a bug ends in one line, and its stack in the debug log', async () => {
    let logged = '';
    const destination = new Writable({
      write(chunk, _encoding, done) {
        logged += chunk;
        done();
      },
    });
    const { context } = await startPromptMaster();
    const broken = {
      names: ['boom'],
      usage: 'boom',
      help: '',
      run: () => {
        throw new TypeError('x is undefined');
      },
    } as const;
    const text = await dispatch(
      'boom',
      { ...context, commands: [broken], live: async () => {}, exit: () => undefined, exitNow: () => {} },
      createLogger({ level: 'debug', destination }),
    );
    expect(text).toBe('internal error: x is undefined (LOG_LEVEL=debug shows more)');
    expect(logged).toContain('commands.test.ts');
  });
});

describe('completion', () => {
  test('knows commands', async () => {
    const { context } = await startPromptMaster();
    expect(complete('wor', context)).toEqual([['workers '], 'wor']);
    expect(complete('sta', context)).toEqual([['stats ', 'status '], 'sta']);
    expect(complete('zzz', context)).toEqual([[], 'zzz']);
    expect(complete('', context)[0]).toHaveLength(16);
  });

  test('knows worker ids, quoted where they must be, and those who wait', async () => {
    const { context, manager } = await startPromptMaster({ admission: 'approved' });
    for (const id of ['node-a', 'node-b', 'my worker', '日本']) manager.registerWorker(id);
    expect(() => manager.processHeartbeat({ workerId: 'stranger' })).toThrow();
    expect(complete('status no', context)).toEqual([['node-a ', 'node-b '], 'no']);
    expect(complete('stats my', context)).toEqual([['"my worker" '], 'my']);
    expect(complete('stats "my w', context)).toEqual([['"my worker" '], '"my w']);
    expect(complete('unregister 日', context)).toEqual([['日本 '], '日']);
    expect(complete('approve ', context)).toEqual([['stranger '], '']);
    expect(complete('help st', context)).toEqual([['stats ', 'status '], 'st']);
    expect(complete('workers no', context)).toEqual([['node-a ', 'node-b '], 'no']);
    expect(complete('workers li', context)).toEqual([['limit=', 'liveness '], 'li']);
    expect(complete('workers state=left la', context)).toEqual([['label.'], 'la']);
    expect(complete('internal-state no', context)).toEqual([[], 'no']);
    expect(complete('status node-a no', context)).toEqual([[], 'no']);
  });

  test('of many ids goes as far as they agree, and lists no more than a screen', async () => {
    const { context, manager } = await startPromptMaster();
    for (let index = 0; index < 150; index++) manager.registerWorker(`rack-${index}`);
    expect(complete('status r', context)).toEqual([['rack-'], 'r']);
    manager.registerWorker('r x');
    const [shown] = complete('status r', context);
    expect(shown).toHaveLength(101);
    expect(shown.at(-1)).toBe('… and 51 more');
  });
});
