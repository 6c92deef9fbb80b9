/**
 * Escapes text for Slack and for programs that take its webhooks, so that it is shown as it is: nobody is mentioned, and nothing
 * becomes a link.
 *
 * Slack's own syntax (`<!channel>`, `<@U1>`, `<https://…|text>`) needs `<`, which is written as `&lt;`, see
 * https://docs.slack.dev/messaging/formatting-message-text. Mattermost and others also read Markdown and `@all` in plain text, and
 * have no escape that Slack would not show: a zero-width space separates what would be such a sign.
 */
import { unitsWithin } from './cut.ts';

const APART = '\u200b';
/** What is escaped as a whole: `https://`, `www.example.org`, `[text](url)`; else single characters. */
const UNITS = /:\/\/|www\.|\]\(|./gisu;

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '@': `@${APART}`,
  '://': `:${APART}//`,
  '](': `]${APART}(`,
};

/** One line of foreign text, of at most so many characters. */
export function slackText(text: string, maxLength: number): string {
  return unitsWithin(
    Array.from(text.matchAll(UNITS), ([unit]) => escaped(unit)),
    maxLength,
  );
}

function escaped(unit: string): string {
  return ESCAPES[unit] ?? (unit.length === 4 && unit.endsWith('.') ? `${unit.slice(0, 3)}${APART}.` : unit);
}

/** @param url without `|`, `<` and `>`, see `safeUrl`; @param label a constant */
export function slackLink(url: string, label: string): string {
  return `<${url.replaceAll('&', '&amp;')}|${label}>`;
}
