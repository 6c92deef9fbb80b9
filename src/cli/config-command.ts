/** `pulselane config`: the master's settings as they are in force, and where each comes from. */
import { Command } from 'commander';
import { addOptions, givenFlags } from '../config/command-line.ts';
import { masterOptions } from '../config/options.ts';
import { type ExplainedOption, explainOptions, masterConfig } from '../config/resolve.ts';
import { processSources } from '../config/sources.ts';
import { examples } from './help-text.ts';
import { printAnswer } from './output/answer.ts';
import { addOutputOption } from './output/format.ts';
import type { Streams } from './streams.ts';
import type { Page } from './text/page.ts';
import { table } from './text/table.ts';
import { NOTHING } from './text/units.ts';

export function configCommand(streams: Streams): Command {
  const command = new Command('config').description("print the master's settings, and where each comes from");
  addOutputOption(addOptions(command, masterOptions));
  command.addHelpText('after', examples('pulselane config', 'HTTP_PORT=:9000 pulselane config -o json'));
  return command.action(() => {
    const sources = processSources(givenFlags(command, masterOptions));
    // What the master would refuse is refused here too, in the same words.
    masterConfig(sources);
    const settings = explainOptions(masterOptions, sources);
    printAnswer({ json: settings, text: (page) => configText(settings, page) }, command, streams);
  });
}

function configText(settings: readonly ExplainedOption[], page: Page): string {
  return table(
    [{ title: 'SETTING' }, { title: 'VALUE', shortensTo: 12 }, { title: 'FROM' }, { title: 'FLAG', rank: 1 }],
    settings.map(({ env, text, origin, flag }) => [env, text === undefined ? NOTHING : text || '""', origin, flag]),
    page,
  );
}
