/** The entry of a history thread: a reading thread of the HTTP thread, which asks the database, one task at a time. */
import { openReader } from '../../history/open-reader.ts';
import { HistoryQueries } from '../../history/query/queries.ts';
import { messageOf } from '../../lib/errors.ts';
import { portOf } from '../../lib/ports.ts';
import { takeThreadStart } from '../../lib/thread-start.ts';
import { readFor } from '../../reading/reader-thread.ts';
import type { Said, ToPoolThread } from '../query/pool-messages.ts';
import type { HistoryThreadData } from './pool.ts';
import { type HistoryAnswer, type HistoryTask, HistoryTasks } from './tasks.ts';

const { port, data } = takeThreadStart<HistoryThreadData>();
readFor<ToPoolThread<HistoryTask>, Said<HistoryAnswer>>(portOf(port), data, ({ directory, post }) => {
  const queries = new HistoryQueries({
    directory,
    // What cannot be read is a gap in the answer. The thread that maintains the database logs it.
    open: () => openReader(data.place, () => {}),
  });
  const tasks = new HistoryTasks(queries, (workerId) => directory.get(workerId) !== undefined);
  return {
    received(message) {
      if (message.type === 'cancel') tasks.cancel();
      if (message.type !== 'task') return;
      // If the thread dies, this tells whether the task can be the cause.
      post('begun');
      tasks.run(message.task).then(
        (answer) => post({ ok: true, answer }, 'bytes' in answer ? [answer.bytes.buffer] : []),
        (error: unknown) => post({ ok: false, message: messageOf(error) }),
      );
    },
    stop: () => queries.close(),
  };
});
