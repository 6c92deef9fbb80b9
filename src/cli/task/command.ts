/** `pulselane task start|progress|finish|run`: tasks of scripts and commands, told to the agent of this machine. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { addOptions, givenFlags } from '../../config/command-line.ts';
import { type HubSocket, hubSocket, SOCKET_OFF } from '../../config/hub-socket.ts';
import { durationMs } from '../../config/kinds.ts';
import { taskOptions } from '../../config/options.ts';
import { resolveOptions } from '../../config/resolve.ts';
import { processSources } from '../../config/sources.ts';
import { environmentOfTask, taskIdOfEnvironment } from '../../config/task-environment.ts';
import type { Clock } from '../../lib/clock.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { ownPidNamespace } from '../../lib/process-identity.ts';
import { MAX_KEEP_MS } from '../../model/task-keep.ts';
import { ENDED_TASK_OUTCOMES } from '../../model/telemetry.ts';
import { ExitWith, line } from '../exit-codes.ts';
import { examples } from '../help-text.ts';
import type { Streams } from '../streams.ts';
import { AgentUnreachable, connectToHub, type HubAnswer } from './hub-client.ts';
import { runCommand, Signals } from './run-command.ts';
import { newTaskId } from './task-id.ts';
import { TaskReporter } from './task-reporter.ts';

const CONNECT_WITHIN_MS = 1_000;

export interface TaskEnvironment {
  readonly streams: Streams;
  readonly clock: Clock;
}

interface TaskFlags {
  readonly id?: string;
  readonly name?: string;
  readonly cpu?: string;
  readonly memory?: string;
  readonly gpu?: string;
  readonly pid?: string;
  readonly keep?: string;
  readonly progress?: string;
  readonly status?: string;
  readonly outcome?: string;
  readonly exitCode?: string;
  readonly requireAgent?: boolean;
}

export function taskCommand(environment: TaskEnvironment): Command {
  return new Command('task')
    .description('report a task of a script or command to the agent of this machine')
    .enablePositionalOptions()
    .addCommand(runTask(environment))
    .addCommand(startTask(environment))
    .addCommand(progressOfTask(environment))
    .addCommand(finishTask(environment));
}

function runTask({ streams, clock }: TaskEnvironment): Command {
  const command = allocation(taskFlags('run', 'run a command as a task, and end as it does'))
    .argument('<command...>', 'the command and its arguments')
    .passThroughOptions();
  command.addHelpText(
    'after',
    examples(
      'pulselane task run -- make -j4',
      'pulselane task run --name frame-17 --cpu 4 --memory 8 -- blender -b scene.blend -f 17',
    ),
  );
  return command.action(async (words: string[]) => {
    const flags = command.opts<TaskFlags>();
    const warn = (message: string) => streams.stderr.write(line(message));
    const taskId = flags.id ?? newTaskId(flags.name ?? words[0] ?? '');
    const { socket, given } = socketOf(command);
    let isRunning = flags.requireAgent !== true;
    const task = new TaskReporter({
      socket,
      clock,
      task: { task_id: taskId, started_at_unix_ms: Math.round(clock.wallMs()), ...allocated(flags) },
      onTrouble: (message) => warn(isRunning ? `${message}; the command runs nevertheless` : message),
    });
    // From here on a signal is the command's.
    const signals = new Signals();
    if (flags.requireAgent !== true) {
      await task.beginAtOnce();
    } else if (!(await task.begin())) {
      task.stop();
      throw new PulselaneError(
        'unavailable',
        'nothing was run: the task could not be reported, and --require-agent is given',
      );
    }
    const { exitCode, end, failure } = await runCommand({
      command: words,
      environment: environmentOfTask(taskId, given),
      signals,
      clock,
    });
    isRunning = false;
    if (failure !== undefined) warn(failure);
    await task.finish(end);
    throw new ExitWith(exitCode);
  });
}

function startTask(environment: TaskEnvironment): Command {
  const command = allocation(taskFlags('start', 'begin a task, and print its id'))
    .option('--pid <pid>', 'the task has vanished when this process is gone: $$ in a script')
    .option(
      '--keep <duration>',
      'it has vanished after so long without an update, if no --pid is watched (default: 24h)',
    )
    .option('--progress <progress>', 'how far it is: 0.5 or 50%');
  command.addHelpText(
    'after',
    examples(
      'task=$(pulselane task start --name backup --pid $$)',
      'pulselane task progress --id "$task" 50%',
      'pulselane task finish --id "$task" --exit-code $?',
    ),
  );
  return command.action(async () => {
    const flags = command.opts<TaskFlags>();
    const taskId = flags.id ?? newTaskId(flags.name ?? '');
    const keepSeconds = flags.keep === undefined ? undefined : durationOf('--keep', flags.keep) / 1000;
    const task = {
      task_id: taskId,
      new: true,
      keep: true,
      ...allocated(flags),
      ...(flags.pid === undefined ? {} : { pid: numberOf('--pid', flags.pid), pid_namespace: ownPidNamespace() }),
      ...(keepSeconds === undefined ? {} : { keep_seconds: keepSeconds }),
      ...(flags.progress === undefined ? {} : { progress: progressOf('--progress', flags.progress) }),
    };
    // Also if the agent does not know of it: the script goes on with it, and an agent that comes later may.
    environment.streams.stdout.write(`${taskId}\n`);
    await tell(command, environment, task);
  });
}

function progressOfTask(environment: TaskEnvironment): Command {
  const command = taskFlags('progress', 'say how far a task is', 'PULSELANE_TASK_ID')
    .argument('[progress]', '0.5 or 50%')
    .option('--status <status>', 'such as running or paused');
  command.addHelpText(
    'after',
    examples(
      'pulselane task progress 50%                    of the task in which this runs',
      'pulselane task progress --id frame-17 0.25',
    ),
  );
  return command.action(async (progress: string | undefined) => {
    const { status } = command.opts<TaskFlags>();
    const taskId = knownTaskId(command);
    if (progress === undefined && status === undefined) {
      throw new PulselaneError(
        'invalid_argument',
        'nothing is said of the task: expected its progress, such as 50%, or --status',
      );
    }
    if (ENDED_TASK_OUTCOMES.some((outcome) => outcome === status)) {
      throw new PulselaneError(
        'invalid_argument',
        `--status ${status}: use "pulselane task finish --outcome ${status}"`,
      );
    }
    await tell(command, environment, {
      task_id: taskId,
      keep: true,
      ...(progress === undefined ? {} : { progress: progressOf('progress', progress) }),
      ...(status === undefined ? {} : { status }),
    });
  });
}

function finishTask(environment: TaskEnvironment): Command {
  const command = taskFlags('finish', 'end a task', 'PULSELANE_TASK_ID')
    .option('--exit-code <n>', 'how it ended: finished with 0, failed with any other (default: 0)')
    .option('--outcome <outcome>', `how it ended: ${ENDED_TASK_OUTCOMES.join(', ')}`);
  command.addHelpText('after', examples('pulselane task finish --id frame-17 --exit-code $?'));
  return command.action(async () => {
    const { exitCode: given, outcome } = command.opts<TaskFlags>();
    const taskId = knownTaskId(command);
    if (outcome !== undefined && !ENDED_TASK_OUTCOMES.some((known) => known === outcome)) {
      throw new PulselaneError(
        'invalid_argument',
        `--outcome ${outcome}: expected one of ${ENDED_TASK_OUTCOMES.join(', ')}`,
      );
    }
    const exitCode = given === undefined ? undefined : numberOf('--exit-code', given);
    await tell(command, environment, {
      task_id: taskId,
      status: outcome ?? ((exitCode ?? 0) === 0 ? 'finished' : 'failed'),
      ...(exitCode === undefined ? {} : { exit_code: exitCode }),
    });
  });
}

function taskFlags(name: string, description: string, variable?: string): Command {
  const command = addOptions(new Command(name).description(description), taskOptions);
  const made = 'by default one is made';
  return command
    .option(
      '--id <task>',
      `id of the task; ${variable === undefined ? made : `by default that of the task in which this runs [${variable}]`}`,
    )
    .option('--require-agent', 'fail if the agent cannot be told; by default one line on stderr says so');
}

function allocation(command: Command): Command {
  return command
    .option('--name <name>', 'what the id begins with, if one is made')
    .option('--cpu <cores>', 'cores that the task may use')
    .option('--memory <gib>', 'memory that it may use, in GiB')
    .option('--gpu <devices>', 'GPUs that it may use');
}

function allocated({ cpu, memory, gpu }: TaskFlags) {
  return {
    ...(cpu === undefined ? {} : { cpu_allocated: numberOf('--cpu', cpu) }),
    ...(memory === undefined ? {} : { memory_allocated: numberOf('--memory', memory) }),
    ...(gpu === undefined ? {} : { gpu_allocated: numberOf('--gpu', gpu) }),
  };
}

/** Tells the agent, or says on stderr why it could not. @throws PulselaneError with --require-agent */
async function tell(command: Command, { streams, clock }: TaskEnvironment, task: object): Promise<void> {
  const { requireAgent } = command.opts<TaskFlags>();
  const { socket } = socketOf(command);
  try {
    const { error, wasUnknown } = await answerTo(socket, clock, { task });
    if (error !== undefined) throw new AgentUnreachable(error);
    if (wasUnknown)
      streams.stderr.write(line('the agent did not know this task, and has recorded its end without a start'));
  } catch (error) {
    if (!(error instanceof AgentUnreachable) || requireAgent === true) {
      throw error instanceof AgentUnreachable ? new PulselaneError('unavailable', error.message) : error;
    }
    streams.stderr.write(line(`the task is not reported: ${messageOf(error)}`));
  }
}

async function answerTo(socket: HubSocket, clock: Clock, message: object): Promise<HubAnswer> {
  const client = await connectToHub(socket, clock, CONNECT_WITHIN_MS);
  try {
    return await client.send(message);
  } finally {
    client.close();
  }
}

/** @throws SettingsError */
function socketOf(command: Command): { readonly socket: HubSocket; readonly given: string | undefined } {
  const { socket } = resolveOptions(taskOptions, processSources(givenFlags(command, taskOptions)));
  return { socket: hubSocket(socket), given: socket === undefined || socket === SOCKET_OFF ? socket : resolve(socket) };
}

function knownTaskId(command: Command): string {
  const id = command.opts<TaskFlags>().id ?? taskIdOfEnvironment();
  if (id !== undefined) return id;
  throw new PulselaneError(
    'invalid_argument',
    'no task is named: expected --id, or to run within "pulselane task run"',
  );
}

function progressOf(name: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?|\.\d+)(%?)$/.exec(text);
  const progress = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1);
  if (progress <= 1) return progress;
  throw new PulselaneError('invalid_argument', `${name} ${JSON.stringify(text)}: expected 0 to 1, or 0% to 100%`);
}

/** The agent checks what it means. */
function numberOf(name: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new PulselaneError('invalid_argument', `${name} ${JSON.stringify(text)}: expected a number`);
}

function durationOf(name: string, text: string): number {
  try {
    return durationMs({ minMs: 1_000, maxMs: MAX_KEEP_MS }).parse(text);
  } catch (error) {
    throw new PulselaneError('invalid_argument', `${name} ${JSON.stringify(text)}: expected ${messageOf(error)}`);
  }
}
