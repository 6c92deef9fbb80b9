/** Parts of the tools' inputs. The API checks what they hold, so that there is one rule for both. */
import { z } from '@hono/zod-openapi';

export const TIMES =
  'RFC 3339 (2026-11-23T17:54:55Z), Unix seconds, "now", or a time ago such as "-30m" (units: ms, s, m, h, d, w, y)';

export const workerId = z.string().describe('The exact worker id.');

export const from = (fallback: string) =>
  z.string().optional().describe(`The beginning. ${TIMES}. Default: ${fallback}.`);

export const to = z.string().optional().describe('The end, exclusive; the same notations. Default: now.');

export const cursor = z.string().optional().describe('next_cursor of the previous answer, to get what follows it.');

export const limit = (most: number, fallback: number) =>
  z.int().min(1).max(most).default(fallback).describe(`The most to return, 1 to ${most}. Default: ${fallback}.`);
