/** `POST /mcp`: a read-only endpoint of the Model Context Protocol, whose tools ask the API. */
import { z } from '@hono/zod-openapi';
import { messageOf } from '../../lib/errors.ts';
import { jsonIn } from '../../lib/json.ts';
import { answer } from '../answers/common-headers.ts';
import { acceptsJson } from '../answers/encoding.ts';
import { methodNotAllowed } from '../answers/problem.ts';
import { errorJson } from '../answers/respond.ts';
import type { Api } from '../api/endpoint.ts';
import { LegacyError } from '../api/legacy-schemas.ts';
import { jsonAnswer } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext, HttpContext } from '../context.ts';
import { signalOf } from '../history/refusals.ts';
import { MAX_MCP_CALLS } from '../http-limits.ts';
import { innerApi, toolContext } from './inner-api.ts';

/** JSON-RPC's own codes, https://www.jsonrpc.org/specification#error_object */
const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;

const JsonRpc = z
  .looseObject({ jsonrpc: z.literal('2.0'), id: z.union([z.string(), z.number(), z.null()]).optional() })
  .openapi('JsonRpcMessage', { description: 'A message of JSON-RPC 2.0.' });

const EXAMPLE_ERROR = {
  jsonrpc: '2.0' as const,
  id: null,
  error: { code: PARSE_ERROR, message: 'the body must be JSON' },
};

export function mcpRoutes(api: Api, context: AppContext): void {
  const inner = innerApi(context);
  let calls = 0;

  api.openAPIRegistry.registerPath({
    method: 'post',
    path: '/mcp',
    operationId: 'callMcp',
    tags: ['Model Context Protocol'],
    ...needs('read'),
    summary: 'Tools for language models, read-only',
    description:
      'One message of the [Model Context Protocol](https://modelcontextprotocol.io), by its transport “Streamable HTTP” without sessions; `tools/list` describes the tools. It changes nothing: the scope `read` is enough.',
    request: {
      body: {
        required: true,
        content: {
          'application/json': { schema: JsonRpc, example: { jsonrpc: '2.0', id: 1, method: 'tools/list' } },
        },
      },
    },
    responses: {
      200: jsonAnswer('The answer. Errors of a tool are results with `isError`.', JsonRpc, {
        jsonrpc: '2.0',
        id: 1,
        result: { tools: [] },
      }),
      202: { description: 'The message was a notification.' },
      400: jsonAnswer('No message, or several.', JsonRpc, EXAMPLE_ERROR),
      406: jsonAnswer('The client does not accept `application/json`.', JsonRpc, EXAMPLE_ERROR),
      415: jsonAnswer('Not `application/json`.', JsonRpc, EXAMPLE_ERROR),
      503: jsonAnswer(`More than ${MAX_MCP_CALLS} calls at a time.`, LegacyError, {
        error: 'too many calls at a time; try again in a second',
      }),
    },
  });

  api.post('/mcp', async (c) => {
    const body = await c.req.text();
    const message = jsonIn(body);
    if (message === undefined) return rpcError(c, PARSE_ERROR, 'the body must be JSON');
    // Batches are no longer part of the protocol, and one could hold hundreds of calls.
    if (Array.isArray(message)) return rpcError(c, INVALID_REQUEST, 'expected one message, got a batch');
    if (calls >= MAX_MCP_CALLS) {
      context.refusals.count('queries');
      return errorJson(c, 503, 'too many calls at a time; try again in a second', { 'Retry-After': '1' });
    }
    calls++;
    try {
      // Loaded by the first client: most masters have none, and the SDK takes memory.
      const [{ exchange }, { mcpServer }] = await Promise.all([
        import('../mcp/exchange.ts'),
        import('../mcp/mcp-server.ts'),
      ]);
      const request = new Request('http://localhost/mcp', { method: 'POST', headers: headersOf(c), body });
      const tools = toolContext(context, inner(), signalOf(c));
      const failed = (error: unknown) => context.log('error', `a tool of /mcp failed: ${messageOf(error)}`);
      const response = await exchange(request, message, () => mcpServer(tools, failed));
      const text = await response.text();
      const headers = text === '' ? {} : { 'Content-Type': 'application/json' };
      return answer(c, response.status, text === '' ? null : text, {
        ...headers,
        'Content-Length': String(Buffer.byteLength(text)),
      });
    } finally {
      calls--;
    }
  });

  api.all('/mcp', (c) => errorJson(c, 405, methodNotAllowed(c.req.method, 'POST'), { Allow: 'POST' }));
}

/**
 * The protocol wants clients to accept a stream, too. The answer is never one, so who accepts JSON gets it: `curl` without
 * further headers, for example.
 */
function headersOf(c: HttpContext): Record<string, string> {
  const headers = c.req.header();
  return acceptsJson(headers.accept) ? { ...headers, accept: 'application/json, text/event-stream' } : headers;
}

function rpcError(c: HttpContext, code: number, message: string): Response {
  const body = JSON.stringify({ jsonrpc: '2.0', id: null, error: { code, message } });
  return answer(c, 400, body, { 'Content-Type': 'application/json' });
}
