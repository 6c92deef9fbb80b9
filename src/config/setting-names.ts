/** How errors name a setting: as its user wrote it. */

/**
 * Names by the setting's variable: its flag, its option in a program, or its variable with its place. A setting missing
 * here was written as its variable.
 */
export type SettingNames = Readonly<Record<string, SettingName>>;

export interface SettingName {
  /** Such as `--tls-ca`, `tls.ca` or `TLS_CERT`. */
  readonly name: string;
  /** For example ` (in .env)`; empty if the name suffices. */
  readonly where: string;
}

/** `TLS_CERT`, or the name that the user wrote. */
export function nameOf(names: SettingNames | undefined, variable: string): string {
  return names?.[variable]?.name ?? variable;
}

/** A setting with its value, for an error: `TLS_CERT=a.pem`, `--tls-cert a.pem` or `TLS_CERT=a.pem (in .env)`. */
export function settingText(names: SettingNames | undefined, variable: string, value: unknown): string {
  const { name, where } = names?.[variable] ?? { name: variable, where: '' };
  return `${name}${name.startsWith('--') ? ' ' : '='}${valueText(String(value))}${where}`;
}

/** A secret setting for an error, without its value: `DATABASE_URL`, or `DATABASE_URL (in .env)`. */
export function secretText(names: SettingNames | undefined, variable: string): string {
  const { name, where } = names?.[variable] ?? { name: variable, where: '' };
  return `${name}${where}`;
}

/** Text that a shell takes as one word needs no quotes. */
function valueText(text: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(text) ? text : JSON.stringify(text);
}
