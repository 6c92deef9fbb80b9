/** The program: combines the command line with the agent's command, and is the only place that ends the process. */
import { agentCommand } from './agent/command.ts';
import { startLocalAgent } from './agent/local.ts';
import { startMaster } from './app/master.ts';
import { endProcess } from './cli/end-process.ts';
import { EXIT_FAILURE, EXIT_OK, failureOf } from './cli/exit-codes.ts';
import { ownStat } from './cli/master/own-terminal.ts';
import { processStreams } from './cli/process-streams.ts';
import { buildProgram } from './cli/program.ts';
import { StopSignals } from './cli/stop-signals.ts';
import { masterOptions } from './config/options.ts';
import { resolveOptions } from './config/resolve.ts';
import { serviceManager } from './config/service-manager.ts';
import { processSources } from './config/sources.ts';
import { systemClock as clock } from './lib/clock.ts';
import { leaveThreadsToProcessEnd } from './lib/supervised-thread.ts';
import { relayThreadOutput } from './lib/threads.ts';

const { answering, lasting } = processStreams(process, clock);
const { stderr } = lasting;
const ending = { errors: stderr, stdin: answering.stdin, clock };
const signals = new StopSignals((code) => void endProcess(code, { outputs: [], ...ending }), clock);
let hasCrashed = false;

/** An orderly stop takes at most 10 s; if an internal error delays it, it is not awaited further. */
const STOP_AFTER_CRASH_WITHIN_MS = 10_000;

/** Errors are shown with their stack only on request. */
function isDebugging(): boolean {
  try {
    const { logLevel } = resolveOptions({ logLevel: masterOptions.logLevel }, processSources({}));
    return logLevel === 'debug' || logLevel === 'trace';
  } catch {
    return false;
  }
}

/** Without a terminal that could be closed, SIGHUP is a service manager's "reload" and must not end an agent. */
function onHangUp(reload: () => void): void {
  if (answering.stdin.isTTY === true) signals.hangUpEnds();
  else process.on('SIGHUP', reload);
}

/** Reports an error. @returns the exit code */
function report(error: unknown): number {
  const { text, exitCode } = failureOf(error, isDebugging());
  if (text !== '') stderr.write(text);
  return exitCode;
}

async function main(): Promise<number> {
  const program = buildProgram({
    streams: answering,
    clock,
    master: {
      streams: lasting,
      clock,
      signals,
      startMaster,
      startLocalAgent,
      serviceManager: serviceManager(),
      processStat: ownStat(),
      onStopping: leaveThreadsToProcessEnd,
    },
    extraCommands: [
      agentCommand({ stdout: lasting.stdout, untilSignal: () => signals.first(), onReloadSignal: onHangUp }),
    ],
  });
  let exitCode = EXIT_OK;
  for (const step of [() => program.parseAsync(process.argv), () => answering.stdout.finished()]) {
    try {
      await step();
    } catch (error) {
      exitCode ||= report(error);
    }
  }
  return exitCode;
}

function end(exitCode: number): Promise<never> {
  return endProcess(hasCrashed ? EXIT_FAILURE : exitCode, { outputs: [lasting.stdout, stderr], ...ending });
}

/** Handles an internal error: everything is stopped in order, so that workers, files and lanes are not harmed. */
function crash(error: unknown): void {
  report(error);
  if (hasCrashed) return;
  hasCrashed = true;
  if (signals.crashed()) clock.after(STOP_AFTER_CRASH_WITHIN_MS, () => void end(EXIT_FAILURE));
  else void end(EXIT_FAILURE);
}

// Output of processors must not mix with the log, which programs read.
relayThreadOutput((text) => stderr.write(text));
process.on('uncaughtException', crash);
await end(await main());
