/** The page at /api/docs/alerts: what to do about each shipped alert. Links of alerts lead to it. */
import { html, raw } from 'hono/html';
import { runbookAnchor } from '../../model/alert-runbooks.ts';
import { ALERT_RUNBOOKS } from './alert-runbooks.ts';
import { type DocsPage, policyOf } from './docs-page.ts';
import { prose } from './prose.ts';
import { STYLE } from './style.ts';

export function runbooksPage(): DocsPage {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>What to do about Pulselane’s alerts</title>
        <style>${raw(STYLE)}</style>
      </head>
      <body>
        <header>
          <h1>What to do about Pulselane’s alerts</h1>
          ${prose(
            '`pulselane alerts` shows why an alert fires, with the values of its condition, and `pulselane status <worker>` how the worker is doing. `pulselane silence add` keeps an alert silent for a while.',
          )}
        </header>
        <nav aria-label="Contents">
          <ul>
            ${ALERT_RUNBOOKS.map(({ alert }) => html`<li><a href="#${runbookAnchor(alert)}">${alert}</a></li>`)}
          </ul>
        </nav>
        <main>
          ${ALERT_RUNBOOKS.map(
            ({ alert, text }) =>
              html`<section id="${runbookAnchor(alert)}">
                <h2>${alert}</h2>
                ${prose(text)}
              </section>`,
          )}
        </main>
      </body>
    </html> `;
  return { html: String(page), contentSecurityPolicy: policyOf(STYLE) };
}
