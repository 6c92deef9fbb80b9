/** A thread of the query pool: Piscina calls the default export with each task. */
import { threadId, workerData } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { type FromFeed, type Hello, openChannel } from './roster-feed.ts';
import { type Answers, type QueryThreadData, type Task, TaskRunner } from './tasks.ts';

const { board, channel } = workerData as QueryThreadData;
const runner = new TaskRunner(board);
const own = `${channel}-${threadId}`;
// Listens before it says where.
openChannel(own, (message) => runner.received(message as FromFeed));
openChannel(channel, () => {}).postMessage({ channel: own, threadId } satisfies Hello);

export default async function run(task: Task): Promise<unknown> {
  const answer = await runner.run(task);
  const bytes = bytesIn(answer);
  // Transferred, not copied.
  return bytes === undefined ? answer : move({ [transferableSymbol]: bytes.buffer, [valueSymbol]: answer } as never);
}

function bytesIn(answer: Answers[Task['type']]): Uint8Array<ArrayBuffer> | undefined {
  if (answer instanceof Uint8Array) return answer;
  return 'bytes' in answer ? answer.bytes : undefined;
}
