/** `GET /api/v1/openapi.json`: the API for programs. `GET /api/docs`: the same for people. */
import { createRoute, z } from '@hono/zod-openapi';
import { KeptText } from '../answers/kept-text.ts';
import { type OpenApiDocument, openApiDocument } from '../api/document.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { jsonAnswer, NOT_MODIFIED, Tagged } from '../api/schemas.ts';
import { docsPage } from '../docs/docs-page.ts';

const openApi = createRoute({
  method: 'get',
  path: '/api/v1/openapi.json',
  operationId: 'getOpenApi',
  tags: ['documents'],
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
  tags: ['documents'],
  summary: 'This API as a page for people',
  responses: {
    200: { description: 'The page.', content: { 'text/html': { schema: z.string() } }, headers: Tagged },
    304: NOT_MODIFIED,
  },
});

/** Called after all other routes: it is they that are described. */
export function documentRoutes(api: Api): void {
  // Made when it is first asked for, once for each thread.
  let document: OpenApiDocument | undefined;
  let json: KeptText | undefined;
  let page: KeptText | undefined;
  const theDocument = () => {
    document ??= openApiDocument(api);
    return document;
  };

  endpoint(api, openApi, (c) => {
    json ??= new KeptText(JSON.stringify(theDocument()), { 'Content-Type': 'application/json' });
    return json.send(c);
  });

  endpoint(api, docs, (c) => {
    page ??= keptPage(theDocument());
    return page.send(c);
  });
}

function keptPage(document: OpenApiDocument): KeptText {
  const { html, contentSecurityPolicy } = docsPage(document);
  return new KeptText(html, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': contentSecurityPolicy,
  });
}
