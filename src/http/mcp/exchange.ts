/** One request of the Model Context Protocol over HTTP, without a session: its answer is always one JSON body. */
import {
  createMcpHandler,
  isLegacyRequest,
  type McpServer,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';

/** @param newServer makes the server that answers this request alone */
export async function exchange(request: Request, parsedBody: unknown, newServer: () => McpServer): Promise<Response> {
  // The revisions of 2025, which most clients speak; the SDK itself would answer them with a stream.
  if (await isLegacyRequest(request, parsedBody)) {
    const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
    const server = newServer();
    try {
      await server.connect(transport);
      return await transport.handleRequest(request, { parsedBody });
    } finally {
      await server.close();
    }
  }
  const handler = createMcpHandler(newServer, {
    legacy: 'reject',
    // There is nothing that a stream could tell of.
    maxSubscriptions: 0,
  });
  try {
    return await handler.fetch(request, { parsedBody });
  } finally {
    await handler.close();
  }
}
