/** Lists of names in which `*` stands for any text. */

/** Whether a name is one of the list. */
export function globMatcher(globs: readonly string[]): (name: string) => boolean {
  if (globs.length === 0) return () => false;
  const patterns = globs.map((glob) => glob.split('*').map(escaped).join('.*'));
  const all = new RegExp(`^(?:${patterns.join('|')})$`, 's');
  return (name) => all.test(name);
}

const escaped = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
