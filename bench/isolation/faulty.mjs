/** A processor that does what the first task's id of a heartbeat says, and nothing for any other. */

/** @type {unknown[]} */
const kept = [];

/** @type {Record<string, () => void>} */
const acts = {
  loop() {
    for (;;);
  },
  crash() {
    throw new Error('as the heartbeat says');
  },
  heap() {
    kept.push(Array.from({ length: 100_000 }, (_, i) => ({ i })));
  },
  buffers() {
    kept.push(Buffer.alloc(32 * 1024 ** 2, 1));
  },
};

/** @param {{ runningTasks: { taskId: string }[] }} heartbeat */
export default function faulty({ runningTasks: [task] }) {
  acts[task?.taskId ?? '']?.();
}
