/**
 * The program when it is called as `pulselane agent`: built as one file, without anything that only a master needs, so that it
 * starts fast and stays small. `main.ts` has the same command for its help.
 */
import { agentCommand } from './agent/command.ts';
import { bareProgram } from './cli/bare-program.ts';
import { runProgram } from './cli/run-program.ts';

await runProgram(({ answering, lasting, signals, onHangUp }) => {
  const program = bareProgram(answering);
  const agent = agentCommand({
    stdout: lasting.stdout,
    untilSignal: () => signals.firstSignal(),
    onReloadSignal: onHangUp,
  });
  return program.addCommand(agent.copyInheritedSettings(program));
});
