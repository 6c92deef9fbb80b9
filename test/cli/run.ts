/** A command of the program, run in this process on streams of its own. */
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { failureOf } from '../../src/cli/exit-codes.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { StopSignals } from '../../src/cli/stop-signals.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';

/** Runs the command as the program would; colours are left to tests that want them. */
export async function run(
  args: readonly string[],
  {
    isTTY = true,
    columns = 200,
    clock = systemClock,
    failure: stdoutFailure,
  }: { isTTY?: boolean; columns?: number; clock?: Clock /** Of what is written to stdout. */; failure?: Error } = {},
) {
  const stdout = Object.assign(new PassThrough(), { isTTY, columns, failure: stdoutFailure });
  const stderr = new PassThrough();
  const unused = () => Promise.reject(new Error('not in this test'));
  const streams = { stdin: new PassThrough(), stdout, stderr };
  const program = buildProgram({
    streams,
    clock,
    master: {
      streams,
      clock,
      signals: new StopSignals(() => {}, clock),
      startMaster: unused,
      startLocalAgent: unused,
    },
    extraCommands: [],
  });
  let failure = { exitCode: 0, text: '' };
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    failure = failureOf(error, false);
  }
  stdout.end();
  stderr.end(failure.text);
  return { stdout: await text(stdout), stderr: await text(stderr), exitCode: failure.exitCode };
}
