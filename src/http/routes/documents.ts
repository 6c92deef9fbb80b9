/** `GET /api/v1/openapi.json`: the API for programs. `GET /api/docs`: the same for people. */
import { createRoute, z } from '@hono/zod-openapi';
import { type OpenApiDocument, openApiDocument } from '../api/document.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { jsonAnswer } from '../api/schemas.ts';
import { type DocsPage, docsPage } from '../docs/page.ts';
import { sendText } from '../respond.ts';

const openApi = createRoute({
  method: 'get',
  path: '/api/v1/openapi.json',
  operationId: 'getOpenApi',
  tags: ['documents'],
  summary: 'This API as an OpenAPI 3.1 document',
  responses: {
    200: jsonAnswer('The document.', z.looseObject({ openapi: z.string() }), { openapi: '3.1.0' }),
  },
});

const docs = createRoute({
  method: 'get',
  path: '/api/docs',
  operationId: 'getDocs',
  tags: ['documents'],
  summary: 'This API as a page for people',
  responses: { 200: { description: 'The page.', content: { 'text/html': { schema: z.string() } } } },
});

/** Called after all other routes: it is they that are described. */
export function documentRoutes(api: Api): void {
  // Made when it is first asked for, once for each thread.
  let document: OpenApiDocument | undefined;
  let json: string | undefined;
  let page: DocsPage | undefined;
  const theDocument = () => {
    document ??= openApiDocument(api);
    return document;
  };

  endpoint(api, openApi, (c) => {
    json ??= JSON.stringify(theDocument());
    return sendText(c, json, { 'Content-Type': 'application/json' });
  });

  endpoint(api, docs, (c) => {
    page ??= docsPage(theDocument());
    return sendText(c, page.html, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': page.contentSecurityPolicy,
    });
  });
}
