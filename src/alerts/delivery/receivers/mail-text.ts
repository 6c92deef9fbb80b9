/** A notification as a mail: a plain text, and the same as simple HTML. */

import { blocksWithin } from './cut.ts';
import { type Message, type MessageAlert, omittedText } from './message.ts';
import { MAX_MAIL_TEXT } from './receiver-limits.ts';

export function mailText({ title, alerts, omitted, link }: Message): string {
  const blocks = alerts.map(({ heading, lines, link: page, runbook }) =>
    [
      heading,
      ...lines.map((line) => `  ${line}`),
      ...(runbook === undefined ? [] : [`  runbook: ${runbook}`]),
      ...(page === undefined ? [] : [`  details: ${page}`]),
    ].join('\n'),
  );
  const rest = blocksWithin(blocks, omitted, MAX_MAIL_TEXT, omittedText);
  return `${title}\n\n${rest}\n${link === undefined ? '' : `\n${link}\n`}`;
}

export function mailHtml({ title, alerts, omitted, link }: Message, colour: number): string {
  const rest = blocksWithin(
    alerts.map(blockOf),
    omitted,
    MAX_MAIL_TEXT,
    (count) => `<p>${html(omittedText(count))}</p>`,
  );
  const bar = `border-left:4px solid #${colour.toString(16).padStart(6, '0')};padding-left:12px`;
  const end = link === undefined ? '' : `<p>${anchor(link, 'Open Pulselane')}</p>`;
  return `<!doctype html><html><body style="font-family:sans-serif"><h2 style="${bar}">${html(title)}</h2>\n${rest}\n${end}</body></html>\n`;
}

function blockOf({ heading, lines, link, runbook }: MessageAlert): string {
  const links = [
    ...(link === undefined ? [] : [anchor(link, 'details')]),
    ...(runbook === undefined ? [] : [anchor(runbook, 'runbook')]),
  ];
  return `<p><b>${html(heading)}</b><br>${[...lines.map(html), ...links].join('<br>\n')}</p>`;
}

function anchor(url: string, label: string): string {
  return `<a href="${html(url)}">${label}</a>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function html(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] as string);
}
