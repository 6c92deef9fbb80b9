/** A program that adds lines to a file, by turns as "token create" and as "token rotate" do: path, name, how many. */
import { appendLines } from '../../src/cli/token/append-lines.ts';
import { rewriteFile } from '../../src/cli/token/rewrite-file.ts';
import { systemClock } from '../../src/lib/clock.ts';

const [path, name, count] = process.argv.slice(2) as [string, string, string];
for (let n = 0; n < Number(count); n++) {
  if (n % 2 === 0) await rewriteFile(path, systemClock, (text) => ({ text: `${text}${name}${n}\n` }));
  else await appendLines(path, systemClock, [`${name}${n}`], () => {});
}
