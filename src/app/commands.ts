/** Carries out commands of the API: each becomes a call of the operator. */
import type { Command, CommandReply } from '../http/messages.ts';
import { PulselaneError } from '../lib/errors.ts';
import type { Operator } from './operator.ts';

type CommandedOperator = Pick<
  Operator,
  'unregister' | 'approve' | 'release' | 'isolate' | 'releaseBrakes' | 'internalState' | 'askAlerts'
>;

/** @throws any error that is not a PulselaneError, that is, a bug */
export function obey(command: Command, operator: CommandedOperator): CommandReply | Promise<CommandReply> {
  try {
    if (command.type === 'alerts') return operator.askAlerts(command.asked);
    if (command.type === 'internal-state') return { ok: true, message: '', state: operator.internalState() };
    return { ok: true, message: answer(command, operator) };
  } catch (error) {
    if (!(error instanceof PulselaneError)) throw error;
    return { ok: false, code: error.code, message: error.message };
  }
}

function answer(
  command: Exclude<Command, { readonly type: 'internal-state' | 'alerts' }>,
  operator: CommandedOperator,
): string {
  switch (command.type) {
    case 'unregister':
      return operator.unregister(command.workerId);
    case 'approve':
      return operator.approve(command.workerId);
    case 'release':
      return operator.release(command.workerId);
    case 'isolate':
      return operator.isolate(command.workerId, command.isolation);
    case 'release-brakes':
      return operator.releaseBrakes(command.group);
    default:
      throw command satisfies never;
  }
}
