/** `GET /api/v1/openapi.json`: the OpenAPI document. `GET /api/docs`: the same as a page for people. `GET /api/docs/alerts`: runbooks. */
import { createRoute, z } from '@hono/zod-openapi';
import { RUNBOOKS_PATH } from '../../model/alert-runbooks.ts';
import { factsOf } from '../access/middleware.ts';
import { KeptText } from '../answers/kept-text.ts';
import { type OpenApiDocument, openApiDocument } from '../api/document.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { jsonAnswer, NOT_MODIFIED, Tagged } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import { type DocsPage, docsPage } from '../docs/docs-page.ts';
import { shownHost, withOrigin } from '../docs/origin.ts';
import { runbooksPage } from '../docs/runbooks-page.ts';

const openApi = createRoute({
  method: 'get',
  path: '/api/v1/openapi.json',
  operationId: 'getOpenApi',
  tags: ['API description'],
  ...needs('read'),
  summary: 'This API as an OpenAPI 3.1 document',
  responses: {
    200: {
      ...jsonAnswer('The document.', z.looseObject({ openapi: z.string() }), { openapi: '3.1.0' }),
      headers: Tagged,
    },
    304: NOT_MODIFIED,
  },
});

const docs = createRoute({
  method: 'get',
  path: '/api/docs',
  operationId: 'getDocs',
  tags: ['API description'],
  ...needs('read'),
  summary: 'This API as a page',
  responses: {
    200: { description: 'The page.', content: { 'text/html': { schema: z.string() } }, headers: Tagged },
    304: NOT_MODIFIED,
  },
});

const runbooks = createRoute({
  method: 'get',
  path: RUNBOOKS_PATH,
  operationId: 'getAlertRunbooks',
  tags: ['API description'],
  ...needs('read'),
  summary: 'What to do about each shipped alert, as a page: `runbook_url` of these alerts leads to it',
  responses: {
    200: { description: 'The page.', content: { 'text/html': { schema: z.string() } }, headers: Tagged },
    304: NOT_MODIFIED,
  },
});

/** The docs page shows the address it was requested under, so each address has its own text: at most so many are kept. */
const PAGES_KEPT = 4;

/** Describes all routes that were added before. */
export function documentRoutes(api: Api): void {
  // Built on first use, once per thread.
  let document: OpenApiDocument | undefined;
  let json: KeptText | undefined;
  let page: DocsPage | undefined;
  let runbooksText: KeptText | undefined;
  const pages = new Map<string, KeptText>();
  const theDocument = () => {
    document ??= openApiDocument(api);
    return document;
  };

  endpoint(api, openApi, (c) => {
    json ??= new KeptText(JSON.stringify(theDocument()), { 'Content-Type': 'application/json' });
    return json.send(c);
  });

  endpoint(api, runbooks, (c) => {
    runbooksText ??= keptText(runbooksPage());
    return runbooksText.send(c);
  });

  endpoint(api, docs, (c) => {
    const { headers, names, isTls } = factsOf(c);
    const host = shownHost((headers as { host?: string }).host ?? names?.target?.authority);
    const key = `${isTls} ${host}`;
    let kept = pages.get(key);
    if (kept === undefined) {
      page ??= docsPage(theDocument());
      kept = keptText({ ...page, html: withOrigin(page.html, host, isTls) });
      pages.set(key, kept);
      const [oldest = ''] = pages.keys();
      if (pages.size > PAGES_KEPT) pages.delete(oldest);
    }
    return kept.send(c);
  });
}

function keptText({ html, contentSecurityPolicy }: DocsPage): KeptText {
  return new KeptText(html, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': contentSecurityPolicy,
  });
}
