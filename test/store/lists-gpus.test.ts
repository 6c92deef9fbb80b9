/** Whether a record lists devices is told by its last byte, whatever a worker writes into its texts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { emptyRecordJsonHead, recordJsonHead } from '../../src/model/record-json.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { newSlot } from '../../src/store/slot-writer.ts';

const text = fc.oneof(fc.string(), fc.constantFrom(']', '"]', ',"gpus":[', '[]'));

test('a record lists devices exactly if there are some', () => {
  fc.assert(
    fc.property(
      fc.record({
        workerId: text,
        storageUsage: fc.constantFrom(0, 12.5),
        tasks: fc.array(text, { maxLength: 2 }),
        metrics: fc.array(fc.tuple(text, fc.constantFrom(0, -1.5)), { maxLength: 2 }),
        gpus: fc.array(fc.record({ index: fc.nat(8), uuid: text, name: text }), { maxLength: 2 }),
      }),
      ({ workerId, storageUsage, tasks, metrics, gpus }) => {
        const json = recordJsonHead({
          workerId,
          cpuUsage: 0,
          memoryUsage: 0,
          storageUsage,
          gpuUsage: 0,
          runningTasks: tasks.map((taskId) => ({
            taskId,
            status: taskId,
            cpuAllocated: 0,
            memoryAllocated: 0,
            gpuAllocated: 0,
          })),
          gpus,
          metrics: new Map(metrics),
        });
        const slot = new SlotReader(newSlot('w', 0, { json, receivedUnixMs: 1 }));
        expect(slot.listsGpus).toBe(gpus.length > 0);
      },
    ),
  );
  expect(new SlotReader(newSlot('w')).listsGpus).toBe(emptyRecordJsonHead('w').endsWith(']'));
});
