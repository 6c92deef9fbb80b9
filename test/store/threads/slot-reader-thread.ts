/** Reads one slot as fast as it can and counts what is not whole, until it is asked for its counts. */
import { parentPort, workerData } from 'node:worker_threads';
import { SlotReader } from '../../../src/store/slot-reader.ts';
import { isWholeJson, isWholeNumbers } from './checkable-record.ts';

const { memory } = workerData as { memory: SharedArrayBuffer };
const port = parentPort as NonNullable<typeof parentPort>;
const slot = new SlotReader(memory);
const target = Buffer.alloc(2048);
const counts = { reads: 0, torn: 0, unread: 0 };

/** What was read is whole, or the writer was too fast to read anything: that is said, not hidden. */
function check(isWhole: () => boolean): void {
  try {
    counts.reads++;
    if (!isWhole()) counts.torn++;
  } catch {
    counts.unread++;
  }
}

let running = true;
port.on('message', () => {
  running = false;
  port.postMessage(counts);
  port.close();
});

function turn(): void {
  for (let i = 0; i < 500; i++) {
    check(() => {
      const bytes = slot.copyJsonHead(target, 0);
      return bytes > 0 && (target[0] === 123 || isWholeJson(target.subarray(0, bytes)));
    });
    check(() => {
      const numbers = slot.numbers();
      return numbers === undefined || isWholeNumbers(numbers);
    });
    check(() => {
      const rejection = slot.lastRejection();
      return rejection === undefined || new Set(rejection.reason).size === 1;
    });
  }
  if (running) setImmediate(turn);
}
turn();
