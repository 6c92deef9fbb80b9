/** Texts as words of a shell. */

/** As one word of bash or zsh, whatever it holds. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function shellWords(texts: readonly string[]): string {
  return texts.map(shellWord).join(' ');
}

/** As one word of fish, where a backslash within quotes takes the next quote or backslash as it is. */
export function fishWord(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
}

/** What is said of a flag where there is room for a line: up to the first setting in brackets. */
export function shortly(description: string): string {
  return description.replace(/ \[[^\]]*\]$/, '');
}
