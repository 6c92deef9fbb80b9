/** `pulselane completion <shell>` and `pulselane man`: what shells and `man` are given. */
import { Argument, Command } from 'commander';
import { addOptions } from '../../config/command-line.ts';
import { clientOptions } from '../../config/options.ts';
import type { Clock } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { VERSION } from '../../lib/version.ts';
import { apiClientOf } from '../client/client-command.ts';
import { examples } from '../help-text.ts';
import type { Streams } from '../streams.ts';
import { pendingItemsOf } from '../views/from-api.ts';
import { specOf } from './command-spec.ts';
import { completionScript, SHELLS, type Shell } from './completion.ts';
import { manPage } from './man.ts';

/** Whoever presses Tab does not wait longer than this. */
const IDS_WITHIN_MS = 1000;
/** More are no help in completing, and take long to sort. */
const MAX_IDS = 1000;

export function completionCommand(streams: Streams): Command {
  const command = new Command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices([...SHELLS]));
  command.addHelpText(
    'after',
    examples(
      'bash:  source <(pulselane completion bash)                                          in ~/.bashrc',
      'zsh:   pulselane completion zsh > ~/.zfunc/_pulselane                  in a folder of $fpath',
      'fish:  pulselane completion fish > ~/.config/fish/completions/pulselane.fish',
    ),
  );
  command.action((shell: Shell) => {
    streams.stdout.write(completionScript(shell, specOf(programOf(command))));
  });
  return command;
}

/** What a script asks while somebody types: ids, a line each, or nothing. */
export function idsCommand({ stdout }: Streams, clock: Clock): Command {
  const command = new Command('completion-ids').argument('<kind>').argument('[words...]');
  return command.action(async (kind: string, words: string[]) => {
    try {
      const typed = addOptions(new Command(), clientOptions).allowUnknownOption().allowExcessArguments().exitOverride();
      typed.configureOutput({ writeErr: () => {} }).parse(words, { from: 'user' });
      const api = apiClientOf(typed, clock, IDS_WITHIN_MS);
      stdout.write((await idsOf(kind, api)).map((id) => `${id}\n`).join(''));
    } catch {
      // Nobody reads an error there: it would stand in the middle of what is being typed.
    }
  });
}

async function idsOf(kind: string, api: ReturnType<typeof apiClientOf>): Promise<string[]> {
  if (kind === 'pending') {
    const answer = await api.pending();
    return answer === undefined ? [] : pendingItemsOf(answer).map(({ worker_id }) => worker_id);
  }
  const pages = await api.listWorkers({ fields: 'worker_id' }, MAX_IDS);
  return (pages ?? []).flatMap(({ body }) => {
    const { workers } = body as { workers: { worker_id: string }[] };
    return workers.map(({ worker_id }) => worker_id);
  });
}

export function manCommand(streams: Streams): Command {
  const command = new Command('man').description('print the man page, for "man -l"');
  command.addHelpText('after', examples('pulselane man | man -l -'));
  return command.action(() => {
    streams.stdout.write(manPage(specOf(programOf(command)), VERSION));
  });
}

function programOf({ parent }: Command): Command {
  if (parent === null) throw new PulselaneError('internal', 'the command has no program');
  return parent;
}
