/**
 * Escapes text for Discord's Markdown, so that it is shown as it is: a backslash before each sign, which Discord does not show.
 * See https://support.discord.com/hc/articles/210298617
 */
import { unitsWithin } from './cut.ts';

/** One line of foreign text, of at most so many characters. */
export function discordText(text: string, maxLength: number): string {
  return unitsWithin(Array.from(text, escaped), maxLength);
}

/** Also `:` and `/`, without which `https://` is no link, and `.`, without which `www.example.org` is none. */
function escaped(character: string): string {
  return /^[!-/:-@[-`{-~]$/.test(character) ? `\\${character}` : character;
}

/** @param url without brackets, see `safeUrl`; @param label a constant */
export function discordLink(url: string, label: string): string {
  return `[${label}](${url})`;
}
