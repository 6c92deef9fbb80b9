import {
  appendFile,
  mkdir,
  mkdtemp,
  open as openFile,
  readdir,
  readFile,
  rm,
  rmdir,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseValuesLine, type SavedValues, ValuesFile, valuesLine } from '../../src/engine/persistence/values-file.ts';
import { emptyRecordJsonHead, recordJsonHead } from '../../src/model/record-json.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { keptLog } from '../support/kept-log.ts';

let dataDir: string;
let path: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pulselane-values-'));
  path = join(dataDir, 'values.jsonl');
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

function open(clock = new FakeClock()) {
  const { logger, lines: log } = keptLog();
  return { file: new ValuesFile({ dataDir, clock, logger }), clock, log };
}

function valuesOf(workerId: string, silentMs = 10): SavedValues {
  const json = emptyRecordJsonHead(workerId);
  return {
    workerId,
    silentMs,
    isActive: true,
    intervalMs: 5000,
    lastUpdateS: 1_795_456_495,
    registeredS: 1_795_456_000,
    json,
  };
}

async function save(values: readonly SavedValues[]): Promise<void> {
  const { file } = open();
  file.start(() => values);
  await file.close();
}

const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const text = fc.string({ unit: ANY_CHARACTER, maxLength: 20 }).map((any) => any.toWellFormed());
const awkward = fc.constantFrom(',"record":', '","record":{', '}}', '\u2028', '__proto__', '\\",\\"record\\":');
const anyText = fc.oneof(text, awkward);
const anyValues = fc
  .record({
    workerId: anyText,
    numbers: fc.tuple(number, number, number, number),
    tasks: fc.array(anyText, { maxLength: 3 }),
    metrics: fc.array(fc.tuple(anyText, number), { maxLength: 3 }),
    silentMs: fc.double({ min: 0, max: 1e12, noNaN: true }),
    intervalMs: fc.nat(),
    isActive: fc.boolean(),
    lastUpdateS: fc.nat(),
    registeredS: fc.nat(),
  })
  .map(({ numbers, tasks, metrics, ...rest }): SavedValues => {
    const json = recordJsonHead({
      workerId: rest.workerId,
      cpuUsage: numbers[0],
      memoryUsage: numbers[1],
      storageUsage: numbers[2],
      gpuUsage: numbers[3],
      runningTasks: tasks.map((taskId) => {
        return { taskId, cpuAllocated: 1, memoryAllocated: 1, gpuAllocated: 0, status: taskId };
      }),
      gpus: [],
      metrics: new Map(metrics),
    });
    return { ...rest, json };
  });

test('a line is parsed as it was written, whatever ids, tasks and metrics contain', () => {
  fc.assert(
    fc.property(anyValues, (values) => {
      const line = valuesLine(values);
      expect(line.indexOf('\n')).toBe(line.length - 1);
      expect(parseValuesLine(line.slice(0, -1))).toEqual(values);
    }),
  );
});

test('a line with any change is either rejected or a record that can be shown', () => {
  fc.assert(
    fc.property(anyValues, fc.nat(), fc.string({ maxLength: 2 }), (values, at, by) => {
      const line = valuesLine(values).slice(0, -1);
      const from = at % line.length;
      const read = parseValuesLine(line.slice(0, from) + by + line.slice(from + 1));
      if (read === undefined) return;
      const record = JSON.parse(`${read.json},"last_update":1,"is_active":true}`);
      expect(record.worker_id).toBe(read.workerId);
      expect(Array.isArray(record.running_tasks)).toBe(true);
    }),
  );
});

test('values saved at the end are restored at the next start', async () => {
  const values = Array.from({ length: 450 }, (_, index) => valuesOf(`worker-${index}`, index));
  await save(values);
  const { file, log } = open();
  expect([...(await file.read()).values()]).toEqual(values);
  expect(log).toEqual([]);
  expect(await readdir(dataDir)).toEqual(['values.jsonl']);
});

test('without a file there are no values, and a file that was never started writes none', async () => {
  const { file } = open();
  expect((await file.read()).size).toBe(0);
  await file.close();
  expect(await readdir(dataDir)).toEqual([]);
});

test('values are saved every 30 s, one write at a time', async () => {
  const { file, clock } = open();
  let asked = 0;
  file.start(function* () {
    asked++;
    for (let i = 0; i < 1000; i++) {
      // The next one is due while the first is still being written.
      if (asked === 1 && i === 500) clock.advance(30_000);
      yield valuesOf(`worker-${i}`, asked);
    }
  });
  clock.advance(29_999);
  expect(asked).toBe(0);
  clock.advance(1);
  await eventually(() => asked === 1);
  await eventually(async () => (await readdir(dataDir)).join() === 'values.jsonl');
  const { file: next } = open();
  expect((await next.read()).get('worker-999')?.silentMs).toBe(1);
  await file.close();
  expect(asked).toBe(2);
  expect((await next.read()).get('worker-999')?.silentMs).toBe(2);
  clock.advance(30_000);
  expect(clock.pending).toBe(0);
});

test.each([
  '',
  'garbage',
  '{"format":"pulselane-values","version":9}\n',
  '{"format":"pulselane-members","version":2}\n',
])('a damaged file (%j) is set aside, and the master starts without it', async (content) => {
  await writeFile(path, content);
  const { file, log } = open();
  expect((await file.read()).size).toBe(0);
  const [aside] = await readdir(dataDir);
  expect(aside).toMatch(/^values\.jsonl\.damaged-/);
  expect(log).toMatchObject([{ level: 'error', aside: join(dataDir, aside as string) }]);
  expect(await readFile(join(dataDir, aside as string), 'utf8')).toBe(content);
});

test('of a damaged file, a copy is set aside with counts, and the readable part is kept and written again', async () => {
  await save(['a', 'b', 'c'].map((id) => valuesOf(id)));
  const content = await readFile(path, 'utf8');
  await writeFile(path, `${content.replace('"id":"b"', '"id":"other"')}nonsense\n{"id":"cut sh`);
  const { file, log } = open();
  expect([...(await file.read()).keys()]).toEqual(['a', 'c']);
  expect(log).toMatchObject([{ level: 'error', recovered: 2, lostLines: 3, lostBytes: expect.any(Number) }]);
  expect(await readFile(String(log[0]?.aside), 'utf8')).toContain('cut sh');
  // Also if the master is killed before it would have written.
  file.start(() => [valuesOf('c')]);
  await eventually(async () => (await readFile(path, 'utf8')).split('\n').length === 3);
  await file.close();
});

test.each([
  ['without line feeds', (all: string) => all.replaceAll('\n', ''), ['a', 'b'], 0],
  ['without a header', (all: string) => all.slice(all.indexOf('\n') + 1), ['a', 'b'], 0],
  ['with NULs', (all: string) => `${all}${'\0'.repeat(10_000)}`, ['a', 'b'], 1],
  ['whose lines are joined by what is cut', (all: string) => all.replace(/"record":.*\n/, '"rec'), ['b'], 1],
])('a file %s loses only the missing part', async (_, damage, kept, lostLines) => {
  await save(['a', 'b'].map((id) => valuesOf(id)));
  await writeFile(path, damage(await readFile(path, 'utf8')));
  const { file, log } = open();
  expect([...(await file.read()).keys()]).toEqual(kept);
  if (lostLines > 0) expect(log).toMatchObject([{ level: 'error', recovered: kept.length, lostLines }]);
});

test('the first values of a worker are appended soon, and no more of it until all are written', async () => {
  const { file, clock } = open();
  const one = (id: string) => (id === 'gone' ? undefined : valuesOf(id, 7));
  file.start(() => [valuesOf('a')], one);
  const held = async () => (await readFile(path, 'utf8').catch(() => '')).split('\n').slice(1, -1);
  file.hasCome('a');
  clock.advance(200);
  await eventually(async () => (await held()).length === 1);
  for (const id of ['b', 'a', 'gone', 'c', 'b']) file.hasCome(id);
  await eventually(async () => {
    clock.advance(200);
    return (await held()).length === 3;
  });
  // What stands in the file may not be on the disk yet: until it is, it may be asked for again.
  await eventually(() => {
    clock.advance(200);
    for (const id of ['b', 'c', 'gone']) file.hasCome(id);
    return clock.pending === 1;
  });
  // As if it had been killed while it added one more.
  await appendFile(path, '{"id":"d","silentMs":');
  const { file: next, log } = open();
  const values = await next.read();
  expect([...values.values()]).toEqual([valuesOf('a'), valuesOf('b', 7), valuesOf('c', 7)]);
  expect(log).toMatchObject([{ level: 'warn', msg: expect.stringContaining('is incomplete') }]);
  next.start(() => values.values());
  await eventually(async () => !(await readFile(path, 'utf8')).includes('"d"'));
  await next.close();
  await file.close();
});

test('a failed write is logged once and retried', async () => {
  const { file, clock, log } = open();
  let asked = 0;
  file.start(() => {
    asked++;
    return [valuesOf('a')];
  });
  await mkdir(path);
  for (let round = 1; round <= 2; round++) {
    // Until the one before has ended.
    await eventually(() => {
      clock.advance(30_000);
      return asked >= round;
    });
    await eventually(() => log.length === 1);
  }
  await rmdir(path);
  await eventually(() => {
    clock.advance(30_000);
    return log.length === 2;
  });
  expect(log).toMatchObject([{ level: 'error' }, { level: 'info', msg: 'values file can be written again' }]);
  await file.close();
});

test('values that could not be appended are logged, and written soon with all others', async () => {
  const { file, clock, log } = open();
  const known = ['a'];
  file.start(
    () => known.map((id) => valuesOf(id)),
    (id) => valuesOf(id),
  );
  const come = (id: string) => {
    if (!known.includes(id)) known.push(id);
    file.hasCome(id);
  };
  const held = async () => (await readFile(path, 'utf8').catch(() => '')).split('\n').slice(1, -1).length;
  const handle = await openFile(join(dataDir, 'any'), 'w');
  const sync = vi.spyOn(Object.getPrototypeOf(handle), 'datasync');
  await handle.close();
  come('a');
  clock.advance(200);
  await eventually(async () => (await held()) === 1);
  come('b');
  await eventually(() => {
    clock.advance(20);
    return sync.mock.calls.length === 1;
  });
  sync.mockRejectedValueOnce(new Error('EIO'));
  come('c');
  await eventually(() => {
    clock.advance(20);
    return log.length === 1;
  });
  // Half of it may be there: the whole is written, though nobody comes any more.
  await eventually(() => clock.pending === 2);
  await rm(path);
  clock.advance(5000);
  await eventually(() => log.length === 2);
  sync.mockRestore();
  expect(log).toMatchObject([
    { level: 'error', err: 'EIO' },
    { level: 'info', msg: 'values file can be written again' },
  ]);
  expect(await held()).toBe(3);
  come('c');
  expect(clock.pending).toBe(1);
  await file.close();
});

test('a write requested during or after close is ignored', async () => {
  const { file, clock } = open();
  let asked = 0;
  file.start(function* () {
    asked++;
    // In the middle of the last write.
    file.writeAgain();
    file.hasCome('late');
    yield valuesOf('a');
  });
  await file.close();
  file.writeAgain();
  file.hasCome('late');
  expect(asked).toBe(1);
  expect(clock.pending).toBe(0);
  expect(await readdir(dataDir)).toEqual(['values.jsonl']);
});

test.each(['writes', 'closes'])(
  'a master that lost the directory while it %s leaves the file of the next one',
  async (how) => {
    const { file, clock, log } = open();
    await writeFile(path, 'theirs');
    let asked = 0;
    file.start(function* () {
      asked++;
      yield valuesOf('a');
      file.abandon();
      yield valuesOf('b');
    });
    if (how === 'writes') {
      clock.advance(30_000);
      await eventually(() => asked === 1);
    }
    await file.close();
    await file.close();
    expect(await readFile(path, 'utf8')).toBe('theirs');
    expect(await readdir(dataDir)).toEqual(['values.jsonl']);
    expect(log).toEqual([]);
    expect(clock.pending).toBe(0);
  },
);
