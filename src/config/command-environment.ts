/** The environment of commands that receivers of alerts run. */

/** What programs need to find others, their home and their language. The rest may hold secrets and is not passed on. */
const NAMES = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ'] as const;
/** Where systems keep their programs. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function commandEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Readonly<Record<string, string>> {
  const found: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const name of NAMES) {
    const value = environment[name];
    if (value !== undefined && value !== '') found[name] = value;
  }
  return found;
}
