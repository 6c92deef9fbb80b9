/** The page at /api/docs: the OpenAPI document for people. It has no scripts and loads nothing. */
import { createHash } from 'node:crypto';
import { html, raw } from 'hono/html';
import { ERRORS } from '../../lib/errors.ts';
import { RUNBOOKS_PATH } from '../../model/alert-runbooks.ts';
import { METHODS, type OpenApiDocument, SUMMARY } from '../api/document.ts';
import type { DescribedOperation } from './command.ts';
import { GUIDES, type Guide } from './guides.ts';
import { isRecord } from './is-record.ts';
import { htmlTable, operationHtml, type Resolve } from './operation.ts';
import { type Html, inline, prose } from './prose.ts';
import type { Schema } from './schema-members.ts';
import { STYLE } from './style.ts';

export interface DocsPage {
  /** With a placeholder for the server's address: see `withOrigin`. */
  readonly html: string;
  /** Allows only the page's own style. */
  readonly contentSecurityPolicy: string;
}

export function docsPage(document: OpenApiDocument): DocsPage {
  return { html: String(pageHtml(document)), contentSecurityPolicy: policyOf(STYLE) };
}

/** Allows nothing but the style. */
export function policyOf(style: string): string {
  const hash = createHash('sha256').update(style).digest('base64');
  return `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

function pageHtml(document: OpenApiDocument): Html {
  const { info } = document;
  const operations = operationsIn(document);
  const guides = GUIDES.filter((guide) => isAbout(guide, operations));
  const groups = (document.tags ?? []).map(({ name, description = '' }) => ({
    id: `group-${name.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`,
    name,
    description,
    operations: operations.filter(({ operation }) => (operation.tags as readonly string[]).includes(name)),
  }));
  const resolve = resolverOf(document);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${info.title} API</title>
        <style>${raw(STYLE)}</style>
      </head>
      <body>
        <header>
          <h1>${info.title} API</h1>
          <p class="soft">Version ${info.version} · <a href="/api/v1/openapi.json">OpenAPI 3.1 document</a> · <a href="${RUNBOOKS_PATH}">What to do about alerts</a> · <a href="/login">Log in or out</a></p>
          ${prose(SUMMARY)}
        </header>
        <nav aria-label="Contents">
          <section>
            <h2>Guide</h2>
            <ul>
              ${guides.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}
              <li><a href="#errors">Errors</a></li>
            </ul>
          </section>
          ${groups.map(
            ({ id, name, operations: grouped }) =>
              html`<section>
                <h2><a href="#${id}">${name}</a></h2>
                <ul>
                  ${grouped.map(contentsLine)}
                </ul>
              </section>`,
          )}
        </nav>
        <main>
          ${guides.map(guideHtml)}
          <section id="errors">
            <h2>Errors</h2>
            ${errorsHtml()}
          </section>
          ${groups.map(
            ({ id, name, description, operations: grouped }) =>
              html`<section id="${id}">
                <h2>${name}</h2>
                ${prose(description)} ${grouped.map((described) => operationHtml(described, resolve))}
              </section>`,
          )}
        </main>
      </body>
    </html> `;
}

function isAbout({ about, parameter }: Guide, operations: readonly DescribedOperation[]): boolean {
  if (about === undefined) return true;
  const reading = operations.find(({ path, method }) => path === about && method === 'get');
  const parameters = Array.isArray(reading?.operation.parameters) ? reading.operation.parameters : [];
  return reading !== undefined && (parameter === undefined || parameters.some(({ name }) => name === parameter));
}

function contentsLine({ method, path, operation }: DescribedOperation): Html {
  return html`<li>
    <span class="method ${method}">${method.toUpperCase()}</span><a href="#${operation.operationId}">${path}</a>
  </li>`;
}

function guideHtml({ id, title, text, example }: Guide): Html {
  return html`<section id="${id}">
    <h2>${title}</h2>
    ${prose(text)} ${example === undefined ? '' : html`<pre><code>${example}</code></pre>`}
  </section>`;
}

function errorsHtml(): Html {
  const rows = Object.entries(ERRORS).map(
    ([code, { httpStatus, grpcStatus, meaning }]) =>
      html`<tr id="error-${code}">
        <td><code>${code}</code></td>
        <td>${httpStatus}</td>
        <td>${grpcStatus}</td>
        <td>${inline(meaning)}</td>
      </tr>`,
  );
  return html`${prose(
    'Under `/api/`, errors are `application/problem+json` (RFC 9457): `type` is `urn:pulselane:error:<code>`, `detail` says what was wrong, where, and what was expected, and `errors` lists the wrong parts of the input. Other routes answer `{"error": "…"}`. With 429 and 503, `Retry-After` says how many seconds to wait. gRPC uses the same codes, with the statuses below.',
  )}
  ${htmlTable(['Code', 'HTTP', 'gRPC', 'Meaning'], rows)}`;
}

function operationsIn({ paths = {} }: OpenApiDocument): readonly DescribedOperation[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation === undefined ? [] : [{ method, path, operation: operation as unknown as Schema }];
    }),
  );
}

/** All references have the form `#/components/schemas/<name>`. */
function resolverOf({ components }: OpenApiDocument): Resolve {
  const schemas: Schema = components?.schemas ?? {};
  return (schema) => {
    if (typeof schema.$ref !== 'string') return schema;
    const target = schemas[schema.$ref.split('/').at(-1) ?? ''];
    return isRecord(target) ? target : {};
  };
}
