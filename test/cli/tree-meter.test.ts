/** What a command and its children use, as Linux tells it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { parseStatus } from '../../src/cli/task/proc-status.ts';
import { TreeMeter } from '../../src/cli/task/tree-meter.ts';
import { eventually } from '../support/eventually.ts';
import { isRunning } from '../support/is-running.ts';

const MIB = 1024 ** 2;
const NODE = JSON.stringify(process.execPath);
const BUSY = 'const end = process.cpuUsage().user + 60_000; while (process.cpuUsage().user < end);';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Waits for a child of this process alone: CPU time of others is not told apart. */
function start(script: string) {
  const child = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  return { child, meter: new TreeMeter(child.pid as number), lines: () => said.split('\n').slice(0, -1) };
}

describe.runIf(process.platform === 'linux')('a command', () => {
  test('has the memory of its grandchildren, and the CPU time of those that have ended', async () => {
    const keep = `const kept = Buffer.alloc(48 * ${MIB}, 1); console.log(1); process.stdin.resume().on("end", () => kept.length)`;
    const { child, meter, lines } = start(`${NODE} -e '${BUSY}'; (${NODE} -e '${keep}'; true); true`);
    await eventually(() => lines().length > 0);
    meter.look();
    child.stdin.end();
    await once(child, 'exit');
    const { cpuSeconds, maxRssBytes } = meter.usage();
    expect(maxRssBytes).toBeGreaterThan(48 * MIB);
    expect(cpuSeconds).toBeGreaterThanOrEqual(0.06);
  });

  test('has what it leaves behind, also when that has ended, as it was seen last', async () => {
    const stay = `${BUSY} console.log(process.pid); setInterval(() => {}, 1000)`;
    const { child, meter, lines } = start(`${NODE} -e '${stay}' & read line`);
    await eventually(() => lines().length > 0);
    meter.look();
    child.stdin.end('\n');
    await once(child, 'exit');
    const left = Number(lines()[0]);
    meter.look();
    expect(isRunning(left)).toBe(true);
    expect(meter.usage().cpuSeconds).toBeGreaterThanOrEqual(0.06);
    process.kill(left, 'SIGKILL');
    await eventually(() => !isRunning(left));
    expect(meter.usage().cpuSeconds).toBeGreaterThanOrEqual(0.06);
  });

  test('that is over before it is looked at has no known memory', async () => {
    const { child, meter } = start('true');
    await once(child, 'exit');
    expect(meter.usage().maxRssBytes).toBeUndefined();
  });
});

test('a system without /proc tells nothing', () => {
  const meter = new TreeMeter(1, 2, '/nowhere');
  meter.look();
  expect(meter.usage()).toEqual({ cpuSeconds: undefined, maxRssBytes: undefined });
});

test('the memory of a process is read, and that of one that has ended is unknown', () => {
  expect(parseStatus('Name:\tsh\nVmHWM:\t    1200 kB\nVmRSS:\t     800 kB\n')).toEqual({
    residentBytes: 800 * 1024,
    peakBytes: 1200 * 1024,
  });
  expect(parseStatus('Name:\tzombie\nState:\tZ\n')).toBeUndefined();
});
