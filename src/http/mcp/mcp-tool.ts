/** What a tool of `POST /mcp` is, and what it may ask. */
import type { z } from '@hono/zod-openapi';

/** An answer that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json };
export type JsonObject = { readonly [member: string]: Json };

/** A request that the API refused: its text goes to the model as the tool's result. */
export class ToolError extends Error {
  /** The code of the API's problem, such as `not_found`; undefined: an error of the tool's own. */
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

/** Of a query: a list is given once for each element. */
export type Parameters = Readonly<Record<string, string | number | readonly string[] | undefined>>;

export interface ToolContext {
  /**
   * Asks this master's own API, with its validation and limits.
   * @param parameters those that are undefined are left out
   * @throws ToolError with the problem's detail
   */
  readonly get: (path: string, parameters?: Parameters) => Promise<JsonObject>;
  readonly post: (path: string, body: JsonObject) => Promise<JsonObject>;
  readonly nowMs: () => number;
  /** Workers that the master knows. */
  readonly workers: () => number;
}

export interface McpTool<Schema extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  readonly title: string;
  /** For the model: what it answers, in which units, and when to use it. */
  readonly description: string;
  readonly input: Schema;
  /** @throws ToolError */
  readonly run: (input: z.output<Schema>, context: ToolContext) => Promise<JsonObject>;
}

/** Keeps the type of each tool's input. */
export function mcpTool<Schema extends z.ZodObject>(tool: McpTool<Schema>): McpTool {
  return tool as unknown as McpTool;
}
