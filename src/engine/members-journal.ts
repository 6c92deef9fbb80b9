/**
 * The text of the members' journal: a line that says what it is, then a line for each change, with all that is kept of
 * the worker after it. The last line of a worker counts. Pure: members-file.ts reads and writes.
 */
import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { z } from 'zod';
import { WorkerInfoSchema } from '../gen/pulselane/v1/telemetry_pb.ts';
import { jsonIn } from '../lib/json.ts';
import type { Line } from '../lib/lines.ts';
import { MAX_INSTANCES } from '../model/instances.ts';
import { workerIdProblem } from '../model/worker-id.ts';
import type { Member } from './members.ts';

const FORMAT = 'pulselane-members';
/** 1 was a file of another kind, members.json. */
export const JOURNAL_VERSION = 2;

/** A worker, and what is kept of it since; undefined: nothing. */
export interface MemberChange {
  readonly workerId: string;
  readonly member: Member | undefined;
}

const id = z.string().refine((text) => workerIdProblem(text) === undefined);
const headerSchema = z.object({ format: z.literal(FORMAT), version: z.int().positive() });
const lineSchema = z.union([
  z.object({ id, gone: z.literal(true) }),
  z.object({
    id,
    approved: z.boolean(),
    address: z.string().optional(),
    known: z.boolean(),
    instanceIds: z.array(z.string()).max(MAX_INSTANCES).default([]),
    info: z.json().optional(),
  }),
]);

export const JOURNAL_HEADER = `${JSON.stringify({ format: FORMAT, version: JOURNAL_VERSION })}\n`;

/** The line of a change, with its line feed. */
export function journalLine({ workerId, member }: MemberChange): string {
  if (member === undefined) return `${JSON.stringify({ id: workerId, gone: true })}\n`;
  const { approved, address, known, instanceIds, info } = member;
  const line = {
    id: workerId,
    approved,
    address,
    known,
    ...(instanceIds.length === 0 ? {} : { instanceIds }),
    ...(info === undefined ? {} : { info: toJson(WorkerInfoSchema, info) }),
  };
  return `${JSON.stringify(line)}\n`;
}

/** What a journal holds, as far as it can be read. */
export interface Journal {
  readonly members: ReadonlyMap<string, Member>;
  /** Of its header; undefined if there is none that can be read. */
  readonly version: number | undefined;
  /** Changes that were read. */
  readonly changes: number;
  /** Lines that cannot be read, the header among them. */
  readonly lostLines: number;
  /** Its last line has no end: whoever wrote it was killed. Its change was not promised to anybody, and is dropped. */
  readonly isCutShort: boolean;
}

/** Reads on where a line is damaged: each holds a worker as a whole. A newer version is left after its header. */
export async function readJournal(lines: AsyncIterable<Line>): Promise<Journal> {
  const members = new Map<string, Member>();
  let version: number | undefined;
  let changes = 0;
  let lostLines = 0;
  let isCutShort = false;
  let isFirst = true;
  for await (const { text, isEnded } of lines) {
    if (!isEnded) {
      isCutShort = true;
      break;
    }
    if (isFirst) {
      isFirst = false;
      version = versionIn(text);
      if (version !== undefined && version > JOURNAL_VERSION) break;
      // Damaged, or not there: then the line may be a change.
      if (version !== undefined) continue;
    }
    const change = changeIn(text);
    if (change === undefined) {
      lostLines++;
      continue;
    }
    changes++;
    if (change.member === undefined) members.delete(change.workerId);
    else members.set(change.workerId, change.member);
  }
  return { members, version, changes, lostLines, isCutShort };
}

function versionIn(text: string | undefined): number | undefined {
  const header = headerSchema.safeParse(jsonIn(text));
  return header.success ? header.data.version : undefined;
}

function changeIn(text: string | undefined): MemberChange | undefined {
  const line = lineSchema.safeParse(jsonIn(text));
  if (!line.success) return undefined;
  const { id: workerId } = line.data;
  if ('gone' in line.data) return { workerId, member: undefined };
  const { approved, address, known, instanceIds } = line.data;
  try {
    const info = line.data.info === undefined ? undefined : infoIn(line.data.info);
    return { workerId, member: { workerId, approved, address, known, instanceIds, info } };
  } catch {
    return undefined;
  }
}

function infoIn(json: JsonValue) {
  return fromJson(WorkerInfoSchema, json, { ignoreUnknownFields: true });
}
