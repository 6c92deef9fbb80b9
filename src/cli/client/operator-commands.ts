/** Client commands that have a running master do something: what an operator may do at its prompt, over HTTP. */
import { Command } from 'commander';
import { addOptions } from '../../config/command-line.ts';
import { clientOptions } from '../../config/options.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { printable } from '../../lib/printable.ts';
import { ISOLATIONS, isIsolation } from '../../model/isolation.ts';
import { checkWorkerId } from '../../model/worker-id.ts';
import { examples } from '../help-text.ts';
import { holdsOf, messageIn } from '../views/from-api.ts';
import { holdsLines } from '../views/holds-text.ts';
import type { ApiClient } from './api.ts';
import { apiClientOf, type ClientEnvironment } from './commands.ts';

/** Each takes the id of a worker. */
const WORKER_COMMANDS = [
  { name: 'approve', description: 'let in a worker that waits for approval, or will come' },
  { name: 'release', description: 'try a worker in quarantine again, before its time' },
  { name: 'unregister', description: 'forget a worker' },
] as const satisfies readonly { name: keyof ApiClient; description: string }[];

export function operatorCommands(environment: ClientEnvironment): Command[] {
  const { streams, clock } = environment;
  return WORKER_COMMANDS.map(({ name, description }) => {
    const command = operatorCommand(name, `${description}, at a running master`).argument('<id>', 'the worker');
    command.addHelpText('after', examples(`pulselane ${name} worker-1`));
    return command.action(async (workerId: string) => {
      checkWorkerId(workerId);
      streams.stdout.write(line(messageIn(await apiClientOf(command, clock)[name](workerId))));
    });
  }).concat(isolateCommand(environment), brakeCommand(environment));
}

function isolateCommand({ streams, clock }: ClientEnvironment): Command {
  const command = operatorCommand('isolate', 'decide whether a worker has a thread of its own, at a running master')
    .argument('<id>', 'the worker')
    .argument('<lane>', `${ISOLATIONS.join(', ')}; auto: by what it needs`);
  command.addHelpText('after', examples('pulselane isolate worker-1 dedicated', 'pulselane isolate worker-1 auto'));
  return command.action(async (workerId: string, lane: string) => {
    checkWorkerId(workerId);
    if (!isIsolation(lane)) {
      throw new PulselaneError('invalid_argument', `lane ${lane}: expected one of ${ISOLATIONS.join(', ')}`);
    }
    streams.stdout.write(line(messageIn(await apiClientOf(command, clock).isolate(workerId, lane))));
  });
}

function brakeCommand({ streams, clock }: ClientEnvironment): Command {
  const command = operatorCommand('brake', 'what keeps a running master from judging who is alive')
    .argument('[release]', '"release": who is silent has failed')
    .argument('[group]', 'of that group of workers alone');
  command.addHelpText(
    'after',
    examples('pulselane brake', 'pulselane brake release', 'pulselane brake release rack-7'),
  );
  return command.action(async (word: string | undefined, group: string | undefined) => {
    if (word !== undefined && word !== 'release') {
      throw new PulselaneError('invalid_argument', `brake ${word}: expected "release" or nothing`);
    }
    const api = apiClientOf(command, clock);
    const lines =
      word === undefined ? holdsLines(holdsOf(await api.holds())) : [messageIn(await api.releaseBrakes(group))];
    streams.stdout.write((lines.length === 0 ? ['Nothing: everybody is judged.'] : lines).map(line).join(''));
  });
}

function operatorCommand(name: string, description: string): Command {
  return addOptions(new Command(name).description(description), clientOptions);
}

function line(text: string): string {
  return `${printable(text)}\n`;
}
