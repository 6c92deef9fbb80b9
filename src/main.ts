/** The program: combines the command line with the agent's command. */
import { agentCommand } from './agent/command.ts';
import { startLocalAgent } from './agent/local.ts';
import { startMaster } from './app/master.ts';
import { ownStat } from './cli/master/own-terminal.ts';
import { buildProgram } from './cli/program.ts';
import { runProgram } from './cli/run-program.ts';
import { serviceManager } from './config/service-manager.ts';
import { leaveThreadsToProcessEnd } from './lib/supervised-thread.ts';
import { relayThreadOutput } from './lib/threads.ts';

await runProgram(({ answering, lasting, clock, signals, onHangUp }) => {
  // Output of processors must not mix with the log, which programs read.
  relayThreadOutput((text) => lasting.stderr.write(text));
  return buildProgram({
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
      agentCommand({ stdout: lasting.stdout, untilSignal: () => signals.firstSignal(), onReloadSignal: onHangUp }),
    ],
  });
});
