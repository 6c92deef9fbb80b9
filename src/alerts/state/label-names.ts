/**
 * Names of labels and annotations as an Alertmanager takes them: letters, digits and underscores. Versions before 0.27 take no others, and
 * later ones only as long as nobody switches UTF-8 off.
 *
 * Each other character becomes an underscore, and one more goes before a first digit: `gpu.model` → `gpu_model`, `2nd` → `_2nd`. A
 * name that needs no change keeps it. If two become the same, those that were changed get `_2`, `_3` … in the order of their
 * original names. So what a name becomes depends on the other names of the alert alone, which are the same each time it is sent.
 */
type Texts = Readonly<Record<string, string>>;

const VALID = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

export function validNames(texts: Texts): Texts {
  const mapped = new Map<string, string>();
  const all = Object.entries(texts);
  for (const [name, value] of all) if (VALID.test(name)) mapped.set(name, value);
  const others = all.filter(([name]) => !VALID.test(name)).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, value] of others) {
    const wanted = mappedName(name);
    let free = wanted;
    for (let n = 2; mapped.has(free); n++) free = `${wanted}_${n}`;
    mapped.set(free, value);
  }
  return Object.fromEntries(mapped);
}

function mappedName(name: string): string {
  const plain = name.replaceAll(/[^a-zA-Z0-9_]/gu, '_');
  return /^[a-zA-Z_]/.test(plain) ? plain : `_${plain}`;
}
