/** Client commands that have a running master do something: what an operator may do at its prompt, over HTTP. */
import type { Command } from 'commander';
import { PulselaneError } from '../../lib/errors.ts';
import { ISOLATIONS, isIsolation } from '../../model/isolation.ts';
import { checkWorkerId } from '../../model/worker-id.ts';
import { examples } from '../help-text.ts';
import { printMessage } from '../output/answer.ts';
import { ACTION_FORMATS } from '../output/format.ts';
import type { Streams } from '../streams.ts';
import type { ApiAnswer } from '../views/api-answer.ts';
import { holdsOf, messageIn } from '../views/from-api.ts';
import { holdsLines } from '../views/holds-text.ts';
import type { ApiClient } from './api.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';

/** Each takes the id of a worker. */
const WORKER_COMMANDS = [
  { name: 'approve', description: 'approve a worker that waits, or one that is still to come' },
  { name: 'release', description: 'end the quarantine of a worker now' },
  { name: 'unregister', description: 'forget a worker' },
] as const satisfies readonly { name: keyof ApiClient; description: string }[];

export function operatorCommands(environment: ClientEnvironment): Command[] {
  const { streams, clock } = environment;
  return WORKER_COMMANDS.map(({ name, description }) => {
    const command = operatorCommand(name, `${description}, at a running master`).argument('<id>', 'the worker');
    command.addHelpText('after', examples(`pulselane ${name} worker-1`));
    return command.action(async (workerId: string) => {
      checkWorkerId(workerId);
      printDone(await apiClientOf(command, clock)[name](workerId), command, streams);
    });
  }).concat(isolateCommand(environment), brakeCommand(environment));
}

function isolateCommand({ streams, clock }: ClientEnvironment): Command {
  const command = operatorCommand('isolate', 'decide whether a worker has a thread of its own, at a running master')
    .argument('<id>', 'the worker')
    .argument('<lane>', `${ISOLATIONS.join(', ')}; auto: the master decides`);
  command.addHelpText('after', examples('pulselane isolate worker-1 dedicated', 'pulselane isolate worker-1 auto'));
  return command.action(async (workerId: string, lane: string) => {
    checkWorkerId(workerId);
    if (!isIsolation(lane)) {
      throw new PulselaneError(
        'invalid_argument',
        `lane ${JSON.stringify(lane)}: expected one of ${ISOLATIONS.join(', ')}`,
      );
    }
    printDone(await apiClientOf(command, clock).isolate(workerId, lane), command, streams);
  });
}

function brakeCommand({ streams, clock }: ClientEnvironment): Command {
  const command = operatorCommand('brake', 'show what keeps a running master from calling workers inactive')
    .argument('[release]', '"release": treat silent workers as failed')
    .argument('[group]', 'release the brake of this group only');
  command.addHelpText(
    'after',
    examples('pulselane brake', 'pulselane brake release', 'pulselane brake release rack-7'),
  );
  return command.action(async (word: string | undefined, group: string | undefined) => {
    if (word !== undefined && word !== 'release') {
      throw new PulselaneError('invalid_argument', `brake ${word}: expected "release" or nothing`);
    }
    const api = apiClientOf(command, clock);
    if (word === 'release') {
      printDone(await api.releaseBrakes(group), command, streams);
      return;
    }
    const answer = await api.holds();
    const lines = holdsLines(holdsOf(answer));
    const message = lines.length === 0 ? ['No brake is active.'] : lines;
    printMessage({ message, json: answer.body }, command, streams);
  });
}

function operatorCommand(name: string, description: string): Command {
  return clientCommand(name, description, ACTION_FORMATS);
}

function printDone(answer: ApiAnswer, command: Command, streams: Streams): void {
  printMessage({ message: [messageIn(answer)], json: answer.body }, command, streams);
}
