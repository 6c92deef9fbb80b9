/** As much of a Dockerfile's language as ours uses; anything else is an error, so that nothing goes unread. */

export interface Instruction {
  /** In capitals. */
  readonly name: string;
  /** `--from=build` and the like, in front of the arguments. */
  readonly flags: Readonly<Record<string, string>>;
  /** The rest of the line, its variables not yet replaced. */
  readonly rest: string;
}

export interface Stage {
  /** What `COPY --from` calls it; the last one has none. */
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

const KNOWN = 'ARG FROM WORKDIR COPY RUN ENV USER VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD'.split(' ');

export function parseDockerfile(text: string): Stage[] {
  const stages: { name: string | undefined; instructions: Instruction[] }[] = [];
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  for (const line of lines.join('\n').replaceAll('\\\n', ' ').split('\n')) {
    if (line.trim() === '') continue;
    const instruction = parseInstruction(line);
    if (instruction.name === 'FROM') {
      stages.push({ name: /\sAS\s+(\S+)$/i.exec(instruction.rest)?.[1], instructions: [] });
    } else if (stages.length > 0) {
      stages.at(-1)?.instructions.push(instruction);
    } else if (instruction.name !== 'ARG') {
      throw new Error(`${instruction.name} stands before the first FROM`);
    }
  }
  return stages;
}

function parseInstruction(line: string): Instruction {
  const [, name = '', flagsText = '', rest = ''] = /^([A-Z]+)\s+((?:--[a-z-]+=\S+\s+)*)(.*)$/.exec(line) ?? [];
  if (!KNOWN.includes(name)) throw new Error(`this reader knows no such line of a Dockerfile: ${line}`);
  const flags = flagsText
    .trim()
    .split(/\s+/)
    .filter((flag) => flag !== '')
    .map((flag) => /^--([a-z-]+)=(.*)$/.exec(flag)?.slice(1) as [string, string]);
  return { name, flags: Object.fromEntries(flags), rest: rest.trim() };
}

/** `["node", "x"]`, as CMD, ENTRYPOINT and HEALTHCHECK have it here. */
export function execForm(text: string): string[] {
  const command: unknown = JSON.parse(text);
  if (!Array.isArray(command) || !command.every((part) => typeof part === 'string')) {
    throw new Error(`no list of texts: ${text}`);
  }
  return command;
}

/** `A=1 B=2`, as ENV has it here. */
export function assignments(text: string): Record<string, string> {
  return Object.fromEntries(text.split(/\s+/).map((part) => part.split(/=(.*)/s, 2) as [string, string]));
}
