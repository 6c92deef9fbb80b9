import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import type { RunningMaster } from '../../src/app/running-master.ts';
import { announcementFields, announcementLines } from '../../src/cli/master/announcement.ts';
import { type LocalAgent, type MasterParts, runMaster } from '../../src/cli/master/run.ts';
import type { StopSignal, StopSignals } from '../../src/cli/stop-signals.ts';
import { masterOptions } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';
import { PulselaneError } from '../../src/lib/errors.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { terminalStreams } from '../support/terminal.ts';
import { startPromptMaster, stopPromptMasters } from './prompt-context.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'pulselane-cli-'));
afterEach(async () => {
  await stopPromptMasters();
  rmSync(dataDir, { recursive: true, force: true });
});

const config = resolveOptions(masterOptions, { flags: { dataDir }, environment: {}, dotenv: {} });

const open = { isEncrypted: false, asksForToken: false, asksForCertificate: false };

/** A master and an agent that note what is done to them. */
async function setUp(agentStop: () => Promise<void> = async () => {}) {
  const done: string[] = [];
  const { terminal, stdin, stdout } = terminalStreams({ columns: 120, rows: 24 });
  const signal = Promise.withResolvers<StopSignal>();
  const failure = Promise.withResolvers<PulselaneError>();
  const signals = {
    first: () => signal.promise,
    stopping: () => done.push('signals end it'),
    hangUpEnds: () => done.push('SIGHUP ends it'),
  };
  const { context, manager } = await startPromptMaster();
  const master: RunningMaster = {
    grpcAddress: { host: '', port: 4711 },
    httpAddress: { host: '127.0.0.1', port: 4712 },
    httpAccess: open,
    grpcAccess: open,
    operator: context.operator,
    history: undefined,
    exports: undefined,
    alerts: undefined,
    manager,
    failure: failure.promise,
    reload: async () => void done.push('files read again'),
    vitality: () => ({ status: 'all well', stuck: undefined }),
    localAccess: () => ({ isEncrypted: true, token: 'of-this-process' }),
    stop: async () => void done.push('master stopped'),
  };
  const agent: LocalAgent = {
    async stop() {
      done.push('farewell');
      await agentStop();
    },
  };
  const clock = new FakeClock();
  const parts: MasterParts = {
    streams: { stdin, stdout, stderr: new PassThrough() },
    clock,
    signals: signals as unknown as StopSignals,
    startMaster: async () => master,
    startLocalAgent: async ({ master: address, workerId, isEncrypted, token }) => {
      expect({ isEncrypted, token }).toEqual({ isEncrypted: true, token: 'of-this-process' });
      done.push(`agent ${workerId} reports to ${address}`);
      return agent;
    },
  };
  return { parts, done, terminal, stdin, stdout, signal, failure, clock };
}

describe('a master in a terminal', () => {
  test('says where it listens and what to try, and stops by exit after the farewell', async () => {
    const { parts, done, terminal, stdin } = await setUp();
    const ended = runMaster({ config, localAgent: { workerId: 'this-host', gpuToolPath: '' } }, parts);
    await terminal.endsWith('master>');
    expect(terminal.text.split('\n')).toEqual([
      'gRPC listens on :4711 (all interfaces): workers report there',
      'HTTP listens on 127.0.0.1:4712',
      'Lanes: 1 worker can have a thread of its own, set by MAX_DEDICATED_LANES; the others share 1 thread',
      'Try next: curl http://127.0.0.1:4712/telemetry, or type workers or help here',
      'master>',
    ]);
    stdin.write('exit\r');
    await ended;
    expect(done).toEqual([
      'SIGHUP ends it',
      'agent this-host reports to 127.0.0.1:4711',
      'signals end it',
      'farewell',
      'master stopped',
    ]);
    await terminal.shows(/master> exit\nstopping… .*\n.*INFO: stopped$/);
    expect(readFileSync(join(dataDir, 'prompt-history'), 'utf8')).toBe('exit\n');
  });

  test('stops by a signal, and the prompt is gone before it says so', async () => {
    const { parts, terminal, stdin, signal } = await setUp();
    const ended = runMaster({ config, localAgent: undefined }, parts);
    await terminal.endsWith('master>');
    stdin.write('half a li');
    await terminal.endsWith('master> half a li');
    signal.resolve('SIGTERM');
    await ended;
    await terminal.shows('stopped');
    expect(terminal.text).not.toContain('half a li');
    expect(terminal.text.match(/stopping…/g)).toHaveLength(1);
  });

  test('stops although the agent’s farewell hangs or fails', async () => {
    for (const stop of [() => new Promise<void>(() => {}), () => Promise.reject(new Error('no thread'))]) {
      const { parts, done, terminal, signal, clock } = await setUp(stop);
      const ended = runMaster({ config, localAgent: { workerId: 'a', gpuToolPath: '' } }, parts);
      await terminal.endsWith('master>');
      signal.resolve('SIGINT');
      await eventually(() => done.includes('farewell'));
      clock.advance(10_000);
      await ended;
      expect(done.at(-1)).toBe('master stopped');
    }
  });
});

describe('a master without a terminal', () => {
  test('logs JSON lines alone and does not care for its input', async () => {
    const { parts, stdin, signal } = await setUp();
    const stdout = new PassThrough();
    let logged = '';
    stdout.on('data', (chunk) => {
      logged += chunk;
    });
    const ended = runMaster({ config, localAgent: undefined }, { ...parts, streams: { ...parts.streams, stdout } });
    stdin.end('exit\n');
    await eventually(() => logged.split('\n').length > 3);
    signal.resolve('SIGTERM');
    await ended;
    const lines = logged
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ msg }) => msg)).toEqual([
      'listening',
      'listening',
      'workers that can have a thread of their own',
      'stopping',
      'stopped',
    ]);
    expect(lines[1]).toMatchObject({
      protocol: 'http',
      address: '127.0.0.1:4712',
      try: 'curl http://127.0.0.1:4712/telemetry',
    });
    expect(lines[2]).toMatchObject({ dedicatedLanes: 1, sharedLanes: 1, limitedBy: 'MAX_DEDICATED_LANES' });
    expect(stdin.listenerCount('data')).toBe(0);
  });
});

describe('SIGHUP', () => {
  const withFile = { ...config, apiTokensFile: 'tokens' };

  test('while a master starts it is remembered, while it stops and afterwards it is nothing', async () => {
    const { parts, done, signal } = await setUp(async () => {
      process.emit('SIGHUP');
    });
    const starting = Promise.withResolvers<void>();
    const startMaster: MasterParts['startMaster'] = async (...args) => {
      await starting.promise;
      return parts.startMaster(...args);
    };
    const ended = runMaster(
      { config: withFile, localAgent: { workerId: 'a', gpuToolPath: '' } },
      { ...parts, startMaster },
    );
    process.emit('SIGHUP');
    expect(done).toEqual([]);
    starting.resolve();
    await eventually(() => done.includes('files read again'));
    process.emit('SIGHUP');
    signal.resolve('SIGTERM');
    await ended;
    expect(done.filter((what) => what === 'files read again')).toHaveLength(2);
    expect(done.slice(-2)).toEqual(['farewell', 'master stopped']);
    // The process has not ended yet: without a listener the signal would end it.
    expect(process.emit('SIGHUP')).toBe(true);
    expect(done.slice(-2)).toEqual(['farewell', 'master stopped']);
  });

  test('asks for an end in a terminal, where nothing can be read again', async () => {
    const before = process.listenerCount('SIGHUP');
    const { parts, done, terminal, signal } = await setUp();
    const ended = runMaster({ config, localAgent: undefined }, parts);
    await terminal.endsWith('master>');
    expect(done).toContain('SIGHUP ends it');
    expect(process.listenerCount('SIGHUP')).toBe(before);
    signal.resolve('SIGHUP');
    await ended;
    expect(done.at(-1)).toBe('master stopped');
  });
});

test('a master that cannot go on stops in order, and says why', async () => {
  const { parts, done, failure } = await setUp();
  const ended = runMaster({ config, localAgent: { workerId: 'this-host', gpuToolPath: '' } }, parts);
  failure.resolve(new PulselaneError('environment', 'the directory is another’s'));
  await expect(ended).rejects.toThrow('the directory is another’s');
  expect(done.slice(-2)).toEqual(['farewell', 'master stopped']);
});

test('a start that waits for something is not waited for when the end is asked for', async () => {
  const { parts, signal, clock } = await setUp();
  const startMaster = () => new Promise<never>(() => {});
  const ended = runMaster({ config, localAgent: undefined }, { ...parts, startMaster });
  const failed = expect(ended).rejects.toThrow('ended by SIGTERM before it had started');
  signal.resolve('SIGTERM');
  await eventually(() => {
    clock.advance(1000);
    return clock.monotonicMs() > 10_000;
  });
  await failed;
});

test('a master that cannot start its agent is stopped again', async () => {
  const { parts, done } = await setUp();
  const startLocalAgent = () => Promise.reject(new PulselaneError('environment', 'no thread'));
  await expect(
    runMaster({ config, localAgent: { workerId: 'a', gpuToolPath: '' } }, { ...parts, startLocalAgent }),
  ).rejects.toThrow('no thread');
  expect(done).toEqual(['SIGHUP ends it', 'master stopped']);
});

test('addresses are told as they are bound and tried as they can be called', () => {
  const budget = {
    lanes: 7,
    limitedBy: 'memory',
    allowances: [{ resource: 'memory', setting: '', lanes: 7 }],
  } as const;
  const manager = { lanePlan: { dedicated: 7, isSet: false, shared: 2, byCores: 64, budget } };
  const off = { grpcAddress: { host: '::1', port: 1 }, httpAddress: undefined, manager };
  expect(announcementLines(off, false)).toEqual([
    'gRPC listens on [::1]:1: workers report there',
    'HTTP is off (HTTP_PORT)',
    'Lanes: 7 workers can have a thread of their own, limited by memory (cores allow 64); the others share 2 threads',
    'Try next: pulselane agent --master [::1]:1, or type workers or help here',
  ]);
  expect(announcementFields(off)).toHaveLength(1);
  const wild = { grpcAddress: { host: '0.0.0.0', port: 1 }, httpAddress: { host: '', port: 2 } };
  expect(announcementFields(wild).map((fields) => fields.try)).toEqual([
    'pulselane agent --master 127.0.0.1:1',
    'curl http://127.0.0.1:2/telemetry',
  ]);
  const byToken = { isEncrypted: true, asksForToken: true, asksForCertificate: false };
  const byCertificate = { ...byToken, asksForToken: false, asksForCertificate: true };
  const locked = { ...wild, grpcAccess: byToken, httpAccess: byToken };
  expect(announcementFields(locked).map((fields) => fields.try)).toEqual([
    'pulselane agent --master 127.0.0.1:1 --tls-ca <ca.pem> --token-file <file>',
    'curl --cacert <ca.pem> -H "Authorization: Bearer $(cat <file>)" https://127.0.0.1:2/telemetry',
  ]);
  const certified = { ...wild, grpcAccess: byCertificate, httpAccess: byCertificate };
  expect(announcementFields(certified).map((fields) => fields.try)).toEqual([
    'pulselane agent --master 127.0.0.1:1 --tls-ca <ca.pem> --tls-cert <cert.pem> --tls-key <key.pem>',
    'curl --cacert <ca.pem> --cert <cert.pem> --key <key.pem> https://127.0.0.1:2/telemetry',
  ]);
});
