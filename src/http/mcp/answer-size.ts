/** Keeps answers small enough for a model's context. */
import { shortText } from '../../lib/foreign-text.ts';
import { MAX_MCP_ANSWER_BYTES } from '../http-limits.ts';
import type { Json, JsonObject } from './mcp-tool.ts';

const bytesOf = (answer: Json): number => Buffer.byteLength(JSON.stringify(answer));

export const fits = (answer: Json): boolean => bytesOf(answer) <= MAX_MCP_ANSWER_BYTES;

/**
 * Asks for fewer until the answer fits: so a cursor in it continues behind what is shown.
 * @param ask answers with at most that many
 */
export async function fewer(most: number, ask: (limit: number) => Promise<JsonObject>): Promise<JsonObject> {
  for (let limit = most; ; limit = Math.floor(limit / 2)) {
    const answer = await ask(limit);
    if (limit <= 1 || fits(answer)) return answer;
  }
}

/** Elements of a list, members of an object and characters of a text, in the order in which they are tried. */
const STEPS = [
  { elements: 200, characters: 2000 },
  { elements: 50, characters: 1000 },
  { elements: 20, characters: 300 },
  { elements: 8, characters: 200 },
  { elements: 3, characters: 100 },
  { elements: 1, characters: 40 },
] as const;

/** The answer as it is if it fits, else with less of its lists, objects and texts, and `cut`, which says of which. */
export function shortened(answer: JsonObject): JsonObject {
  if (fits(answer)) return answer;
  for (const step of STEPS) {
    const cut: string[] = [];
    const short = shorter(answer, step, '', cut) as JsonObject;
    const withNote = { ...short, cut: notesOf(cut) };
    if (fits(withNote) || step === STEPS.at(-1)) return withNote;
  }
  return answer;
}

/** A few say enough: the others are of the same kind. */
const MAX_NOTES = 10;

function notesOf(cut: readonly string[]): readonly string[] {
  const more = cut.length - MAX_NOTES;
  return more > 0 ? [...cut.slice(0, MAX_NOTES), `and ${more} more`] : cut;
}

/** A part of them names nothing. */
const NEEDED_WHOLE = /(?:^|\.)(?:worker_id|task_id|next_cursor)$/;

function shorter(value: Json, step: (typeof STEPS)[number], path: string, cut: string[]): Json {
  if (typeof value === 'string') {
    if (value.length <= step.characters || NEEDED_WHOLE.test(path)) return value;
    cut.push(`${path}: the first characters of ${value.length}`);
    return shortText(value, step.characters);
  }
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value as JsonObject);
  // Facts of the answer itself are all needed.
  const shown = path === '' ? entries : entries.slice(0, step.elements);
  if (shown.length < entries.length) cut.push(`${path}: ${shown.length} of ${entries.length}`);
  const parts = shown.map(([name, member]): [string, Json] => [
    name,
    shorter(member, step, path === '' ? name : `${path}.${shortText(name, 40)}`, cut),
  ]);
  return Array.isArray(value) ? parts.map(([, part]) => part) : Object.fromEntries(parts);
}
