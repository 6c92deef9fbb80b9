/**
 * The text format of the members' journal: a header line, then one line per change with all that is kept of the worker
 * after it. The last line of a worker counts. Pure functions; members-file.ts does the I/O.
 */
import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { z } from 'zod';
import { WorkerInfoSchema } from '../../gen/pulselane/v1/telemetry_pb.ts';
import { jsonIn } from '../../lib/json.ts';
import { MAX_INSTANCES } from '../../model/instances.ts';
import { workerIdProblem } from '../../model/worker-id.ts';
import type { Member } from './members.ts';

const FORMAT = 'pulselane-members';
/** Version 1 was members.json, another format. */
export const JOURNAL_VERSION = 2;

/** A worker, and what is kept of it after the change; undefined: nothing. */
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

/** The text with which each change begins. */
export const CHANGE_BEGINS = '{"id":';

/** Reads the objects of a journal, in the order of the file. */
export class JournalReader {
  readonly members = new Map<string, Member>();
  /** Number of changes read. */
  changes = 0;
  /** Version in the header; undefined if there was no readable header. */
  version: number | undefined;

  /** @returns whether the object belongs to a journal; after the header of a newer version, all objects are skipped */
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
