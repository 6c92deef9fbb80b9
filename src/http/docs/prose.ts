/** Descriptions as HTML: text in backticks is code, and lines starting with "- " form a list. */
import { html } from 'hono/html';

export type Html = ReturnType<typeof html>;

export function prose(text: string | undefined): Html | '' {
  if (text === undefined || text === '') return '';
  const lines = text.split('\n').filter((line) => line !== '');
  const items = lines.filter((line) => line.startsWith('- ')).map((line) => html`<li>${inline(line.slice(2))}</li>`);
  const rest = lines.filter((line) => !line.startsWith('- ')).map((line) => html`<p>${inline(line)}</p>`);
  return html`${rest}${items.length === 0 ? '' : html`<ul>${items}</ul>`}`;
}

/** Every second part was in backticks. */
export function inline(text: string): Html {
  return html`${text.split('`').map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`;
}
