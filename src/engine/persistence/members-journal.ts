/**
 * The text of the members' journal: a line that says what it is, then a line for each change, with all that is kept of
 * the worker after it. The last line of a worker counts. Pure: members-file.ts reads and writes.
 */
import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { z } from 'zod';
import { WorkerInfoSchema } from '../../gen/pulselane/v1/telemetry_pb.ts';
import { jsonIn } from '../../lib/json.ts';
import { MAX_INSTANCES } from '../../model/instances.ts';
import { workerIdProblem } from '../../model/worker-id.ts';
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
    isolation: z.enum(['dedicated', 'shared']).optional(),
    known: z.boolean(),
    instanceIds: z.array(z.string()).max(MAX_INSTANCES).default([]),
    isActive: z.boolean().optional(),
    heardS: z.int().nonnegative().default(0),
    info: z.json().optional(),
  }),
]);

export const JOURNAL_HEADER = `${JSON.stringify({ format: FORMAT, version: JOURNAL_VERSION })}\n`;

/** The line of a change, with its line feed. */
export function journalLine({ workerId, member }: MemberChange): string {
  if (member === undefined) return `${JSON.stringify({ id: workerId, gone: true })}\n`;
  const { approved, address, isolation, known, instanceIds, info, activity } = member;
  const line = {
    id: workerId,
    approved,
    address,
    isolation,
    known,
    ...(instanceIds.length === 0 ? {} : { instanceIds }),
    ...activity,
    ...(info === undefined ? {} : { info: toJson(WorkerInfoSchema, info) }),
  };
  return `${JSON.stringify(line)}\n`;
}

/** How each change begins. */
export const CHANGE_BEGINS = '{"id":';

/** Takes in the objects of a journal, in the order of the file. */
export class JournalReader {
  readonly members = new Map<string, Member>();
  /** Changes that were read. */
  changes = 0;
  /** Of its header; undefined if there was none that can be read. */
  version: number | undefined;

  /** @returns whether the object is one of a journal's; all are left that follow the header of a newer version */
  take(text: string): boolean {
    if (this.isNewer) return true;
    const value = jsonIn(text);
    const header = headerSchema.safeParse(value);
    if (header.success) {
      this.version ??= header.data.version;
      return true;
    }
    const change = changeIn(value);
    if (change === undefined) return false;
    this.changes++;
    if (change.member === undefined) this.members.delete(change.workerId);
    else this.members.set(change.workerId, change.member);
    return true;
  }

  get isNewer(): boolean {
    return this.version !== undefined && this.version > JOURNAL_VERSION;
  }
}

function changeIn(value: unknown): MemberChange | undefined {
  const line = lineSchema.safeParse(value);
  if (!line.success) return undefined;
  const { id: workerId } = line.data;
  if ('gone' in line.data) return { workerId, member: undefined };
  const { approved, address, isolation, known, instanceIds, isActive, heardS } = line.data;
  const activity = isActive === undefined ? undefined : { isActive, heardS };
  try {
    const info = line.data.info === undefined ? undefined : infoIn(line.data.info);
    return { workerId, member: { workerId, approved, address, isolation, known, instanceIds, info, activity } };
  } catch {
    return undefined;
  }
}

function infoIn(json: JsonValue) {
  return fromJson(WorkerInfoSchema, json, { ignoreUnknownFields: true });
}
