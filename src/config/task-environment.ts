/** The task in which a command runs, by its environment: `pulselane task run` sets it for what it runs. */

const TASK_ID = 'PULSELANE_TASK_ID';
const SOCKET = 'PULSELANE_SOCKET';

/** The task of the command that runs this one; undefined if there is none. */
export function taskIdOfEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  return environment[TASK_ID] || undefined;
}

/** Of a command that runs as a task. @param socket the path that the user named; undefined: as it is */
export function environmentOfTask(
  taskId: string,
  socket: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string | undefined> {
  return { ...environment, [TASK_ID]: taskId, ...(socket === undefined ? {} : { [SOCKET]: socket }) };
}
