import type { Sender, SendOutcome } from '../../../src/alerts/delivery/notification.ts';
import type { ReceiverContext } from '../../../src/alerts/delivery/receivers/context.ts';
import { sendersOf } from '../../../src/alerts/delivery/receivers/make-senders.ts';
import { parseTarget, type ReceiverKindName } from '../../../src/alerts/rules/receivers/target.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { AT_UNIX_MS, EXTERNAL_URL, someNotification } from './some-alerts.ts';

export interface TestContext extends ReceiverContext {
  readonly clock: FakeClock;
  /** Lines of the log, parsed. */
  readonly logged: Record<string, unknown>[];
}

export function testContext(): TestContext {
  const logged: Record<string, unknown>[] = [];
  return {
    clock: new FakeClock(AT_UNIX_MS),
    log: (level, message, fields = {}) => void logged.push({ level, message, ...fields }),
    logged,
    externalUrl: EXTERNAL_URL,
    commandEnvironment: { PATH: '/usr/bin:/bin' },
  };
}

/** The sender of a target as it stands in a rule file. */
export function senderOf(kind: ReceiverKindName, fields: Record<string, unknown>, context: ReceiverContext): Sender {
  const parsed = parseTarget(kind, fields, {
    folder: '/',
    allowsCommands: true,
    readFile: () => {
      throw new Error('no files here');
    },
  });
  const [target] = parsed.targets ?? [];
  if (target === undefined) throw new Error(JSON.stringify(parsed.problems));
  return sendersOf(context)(target);
}

/** Sends one notification, and closes. */
export async function sendOnce(
  kind: ReceiverKindName,
  fields: Record<string, unknown>,
  { context = testContext(), notification = someNotification() } = {},
): Promise<SendOutcome> {
  const sender = senderOf(kind, fields, context);
  try {
    return await sender.send(notification, new AbortController().signal);
  } finally {
    await sender.close();
  }
}
