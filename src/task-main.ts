/**
 * The program when it is called as `pulselane task`: built as one file, as the agent's is, since a wrapped command waits for its start, and
 * it stays as long as the command does. `main.ts` has the same command for its help.
 */
import { bareProgram } from './cli/bare-program.ts';
import { runProgram } from './cli/run-program.ts';
import { taskCommand } from './cli/task/command.ts';

await runProgram(({ answering, clock }) => {
  // So that the flags of a wrapped command are its own.
  const program = bareProgram(answering).enablePositionalOptions();
  const task = taskCommand({ streams: answering, clock }).copyInheritedSettings(program);
  for (const below of task.commands) below.copyInheritedSettings(program);
  return program.addCommand(task);
});
