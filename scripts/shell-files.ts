/**
 * Writes the man page and the completion scripts, from the commands as they are in src/: node shell-files.ts FOLDER. Part of
 * the build; a package puts them where `man` and shells look.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { agentCommand } from '../src/agent/command.ts';
import { buildProgram } from '../src/cli/program.ts';
import { specOf } from '../src/cli/shell/command-spec.ts';
import { completionScript } from '../src/cli/shell/completion.ts';
import { manPage } from '../src/cli/shell/man.ts';
import { StopSignals } from '../src/cli/stop-signals.ts';
import { systemClock as clock } from '../src/lib/clock.ts';
import { VERSION } from '../src/lib/version.ts';

/** By path below the folder. */
export function shellFiles(): Readonly<Record<string, string>> {
  const unused = () => Promise.reject(new Error('nothing is run here'));
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const streams = { stdin, stdout, stderr };
  const signals = new StopSignals(() => {}, clock);
  const program = buildProgram({
    streams,
    clock,
    master: { streams, clock, signals, startMaster: unused, startLocalAgent: unused },
    extraCommands: [agentCommand({ stdout, untilSignal: unused, onReloadSignal: () => {} })],
  });
  const spec = specOf(program);
  return {
    'man/man1/pulselane.1': manPage(spec, VERSION),
    'completions/pulselane.bash': completionScript('bash', spec),
    'completions/_pulselane': completionScript('zsh', spec),
    'completions/pulselane.fish': completionScript('fish', spec),
  };
}

if (import.meta.main) {
  const folder = process.argv[2] ?? '';
  for (const [path, text] of Object.entries(shellFiles())) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
