import { openSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { createLogger } from '../../../src/lib/logging.ts';
import { LossyOutput } from '../../../src/lib/output/lossy-output.ts';
import { type OutputDevice, outputDevice } from '../../../src/lib/output/output-device.ts';
import { WholeOutput } from '../../../src/lib/output/whole-output.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const NO_SPACE = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });

/** A disk that is full until it is freed, and takes ten bytes at a time. */
function disk() {
  let text = '';
  let failure: Error | undefined = NO_SPACE;
  const device: OutputDevice = {
    async write(bytes) {
      if (failure !== undefined) throw failure;
      const part = bytes.subarray(0, 10);
      text += Buffer.from(part).toString();
      return part.length;
    },
  };
  return { device, text: () => text, fail: (error?: Error) => (failure = error) };
}

/** Lets time pass until nothing waits any more. */
async function settle(output: LossyOutput, clock: FakeClock): Promise<void> {
  let isIdle = false;
  void output.idle().then(() => (isIdle = true));
  for (let turn = 0; turn < 10_000 && !isIdle; turn++) {
    clock.advance(100);
    await setImmediate();
  }
  expect(isIdle).toBe(true);
}

describe('a log that cannot be written', () => {
  test('from its first line on keeps what fits, counts the rest, and says so before it goes on', async () => {
    const { device, text, fail } = disk();
    const clock = new FakeClock();
    const output = new LossyOutput({ device, clock, maxBytes: 2000 });
    const logger = createLogger({ level: 'info', destination: output });
    for (let number = 0; number < 100; number++) logger.info({ number }, 'line');
    expect(output.waitingBytes).toBeLessThanOrEqual(2000);
    clock.advance(60_000);
    fail(undefined);
    await settle(output, clock);
    logger.info('afterwards');
    await settle(output, clock);
    const lines = text()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { msg: string; lines?: number; reason?: string; number?: number });
    const kept = lines.filter(({ msg }) => msg === 'line');
    expect(kept.map(({ number }) => number)).toEqual(kept.map((_, index) => index));
    expect(lines.slice(kept.length)).toMatchObject([
      {
        lines: 100 - kept.length,
        reason: NO_SPACE.message,
        msg: 'lines of this log were lost: it could not be written',
      },
      { msg: 'afterwards' },
    ]);
  });

  test('is no error of the stream, whatever the system says of it', async () => {
    for (const code of ['ENOSPC', 'EDQUOT', 'EIO', 'EPIPE', 'EBADF']) {
      const { device, text, fail } = disk();
      fail(Object.assign(new Error(code), { code }));
      const clock = new FakeClock();
      const output = new LossyOutput({ device, clock });
      output.on('error', () => expect.unreachable());
      const failures: string[] = [];
      output.onFailure = (reason) => failures.push(reason);
      output.write('a line\n');
      for (let turn = 0; turn < 20; turn++) {
        clock.advance(1000);
        await setImmediate();
      }
      expect(failures).toEqual([code]);
      fail(undefined);
      await settle(output, clock);
      expect(text()).toBe('a line\n');
    }
  });
});

describe('the answer of a command', () => {
  test('that does not fit on the disk is an error, also when its beginning did', async () => {
    const { device, fail } = disk();
    fail(undefined);
    let left = 3;
    const output = new WholeOutput(
      {
        write(bytes) {
          if (left-- === 0) fail(NO_SPACE);
          return device.write(bytes);
        },
      },
      systemClock,
    );
    output.write('forty bytes of an answer, and some more\n');
    await expect(output.finished()).rejects.toThrow('the output cannot be written: ENOSPC');
  });

  test('that nobody wants any more is none', async () => {
    const { device, fail } = disk();
    fail(Object.assign(new Error('EPIPE'), { code: 'EPIPE' }));
    const output = new WholeOutput(device, systemClock);
    output.write('an answer\n');
    await output.finished();
  });
});

test('a device says what the system says', async () => {
  const full = outputDevice({ fd: openSync('/dev/full', 'w') });
  await expect(full.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'ENOSPC' });
  const sink = outputDevice({ fd: openSync('/dev/null', 'w') });
  expect(await sink.write(Buffer.from('four'))).toBe(4);
});
