/** The entry of a pool thread: a reading thread of the HTTP thread, with one task at a time. */
import { messageOf } from '../../lib/errors.ts';
import { portOf } from '../../lib/ports.ts';
import { takeThreadStart } from '../../lib/thread-start.ts';
import type { ReaderData } from '../../reading/reader-messages.ts';
import { readFor } from '../../reading/reader-thread.ts';
import type { Said, ToPoolThread } from './pool-messages.ts';
import { type Answer, type Task, TaskRunner } from './tasks.ts';

const { port, data } = takeThreadStart<ReaderData>();
readFor<ToPoolThread<Task>, Said<Answer>>(portOf(port), data, ({ directory, post }) => {
  const runner = new TaskRunner(directory);
  return {
    received(message) {
      // A task takes one turn: there is nothing to cancel.
      if (message.type !== 'task') return;
      // If the thread dies, this tells whether the task can be the cause.
      post('begun');
      try {
        const answer = runner.run(message.task);
        // Transferred, not copied.
        post({ ok: true, answer }, memoryOf(answer));
      } catch (error) {
        post({ ok: false, message: messageOf(error) });
      }
    },
  };
});

function memoryOf(answer: Answer): ArrayBuffer[] {
  if (answer instanceof Uint8Array) return [answer.buffer];
  return 'bytes' in answer ? [answer.bytes.buffer] : [];
}
