/**
 * Limits on a worker's registration, which is kept while the worker is known, on main and by every reader, and logged.
 */
import { create } from '@bufbuild/protobuf';
import { type WorkerInfo, WorkerInfoSchema } from '../gen/pulselane/v1/telemetry_pb.ts';
import { PulselaneError } from '../lib/errors.ts';
import { hasControlCharacter } from './worker-id.ts';

/** A random id needs 36 characters. */
export const MAX_INSTANCE_ID_BYTES = 128;
/** As long as a worker's id: it appears in logs, events and token files. */
export const MAX_GROUP_BYTES = 256;
/** Labels describe where and what a worker is; Kubernetes puts about twenty on a node. */
export const MAX_LABELS = 64;
/** In Kubernetes, prefix and name have up to 253 and 63 characters. */
const MAX_LABEL_NAME_BYTES = 320;
const MAX_LABEL_VALUE_BYTES = 1024;
/** Enough for an address with a zone, or any version. */
const MAX_SHORT_BYTES = 256;

const CONTROL_CHARACTERS = /\p{Cc}/gu;
/** Replaces control characters. */
const REPLACEMENT = '\ufffd';

/** The part of a registration that is kept. */
export interface FittedInfo {
  readonly info: WorkerInfo;
  /** Readable descriptions of what did not fit; empty if everything did. */
  readonly problems: readonly string[];
}

/**
 * Fits a registration into the limits: agents accepted by an earlier master may send more, and a worker must not be
 * lost because of a label. Strings are cut and their control characters replaced; labels beyond the limit or with
 * invalid names are dropped. The worker's id is checked elsewhere.
 * @throws PulselaneError `invalid_argument` for an instance id, since heartbeats contain the same one
 */
export function fittedInfo(info: WorkerInfo): FittedInfo {
  checkText('instance_id', info.instanceId, MAX_INSTANCE_ID_BYTES);
  const problems = [
    ...labelProblems(info.labels),
    textProblem('group', info.group, MAX_GROUP_BYTES) ?? [],
    textProblem('worker_ip', info.workerIp, MAX_SHORT_BYTES) ?? [],
    textProblem('agent_version', info.agentVersion, MAX_SHORT_BYTES) ?? [],
  ].flat();
  if (problems.length === 0) return { info, problems };
  const fitted = create(WorkerInfoSchema, {
    ...info,
    labels: fittedLabels(info.labels),
    group: fittedText(info.group, MAX_GROUP_BYTES),
    workerIp: fittedText(info.workerIp, MAX_SHORT_BYTES),
    agentVersion: fittedText(info.agentVersion, MAX_SHORT_BYTES),
  });
  return { info: fitted, problems };
}

/** Checks labels for an agent, before anything is sent. @throws PulselaneError `invalid_argument` */
export function checkLabels(labels: Readonly<Record<string, string>>): void {
  const [problem] = labelProblems(labels);
  if (problem !== undefined) throw refused(problem);
}

/** Checks a group for an agent. @throws PulselaneError `invalid_argument` */
export function checkGroup(group: string): void {
  checkText('group', group, MAX_GROUP_BYTES);
}

/** @throws PulselaneError `invalid_argument` */
export function checkText(field: string, text: string, maxBytes: number): void {
  const problem = textProblem(field, text, maxBytes);
  if (problem !== undefined) throw refused(problem);
}

function labelProblems(labels: Readonly<Record<string, string>>): string[] {
  const entries = Object.entries(labels);
  const tooMany = entries.length > MAX_LABELS ? [`${entries.length} labels; at most ${MAX_LABELS} are allowed`] : [];
  const inTexts = entries.flatMap(([name, value]) => [
    textProblem('the name of a label', name, MAX_LABEL_NAME_BYTES) ?? [],
    textProblem('the value of a label', value, MAX_LABEL_VALUE_BYTES) ?? [],
  ]);
  return [...tooMany, ...inTexts.flat()];
}

function fittedLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  const named = Object.entries(labels).filter(
    ([name]) => textProblem('the name of a label', name, MAX_LABEL_NAME_BYTES) === undefined,
  );
  const kept = named.slice(0, MAX_LABELS);
  return Object.fromEntries(kept.map(([name, value]) => [name, fittedText(value, MAX_LABEL_VALUE_BYTES)]));
}

function textProblem(field: string, text: string, maxBytes: number): string | undefined {
  // A string never has fewer bytes than characters.
  const bytes = text.length > maxBytes ? text.length : Buffer.byteLength(text);
  if (bytes > maxBytes) return `${field} has ${bytes} bytes; at most ${maxBytes} are allowed`;
  return hasControlCharacter(text) ? `${field} contains a control character` : undefined;
}

/** Cuts between two characters. */
function fittedText(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text.replaceAll(CONTROL_CHARACTERS, REPLACEMENT));
  let end = Math.min(bytes.length, maxBytes);
  // A byte of the form 10xxxxxx is not the first of its character.
  while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}

function refused(problem: string): PulselaneError {
  return new PulselaneError('invalid_argument', problem);
}
