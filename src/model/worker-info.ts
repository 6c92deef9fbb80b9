/** What a worker may say of itself. Kept for as long as the worker is known, on main and by every reader, and logged. */
import type { WorkerInfo } from '../gen/pulselane/v1/telemetry_pb.ts';
import { PulselaneError } from '../lib/errors.ts';
import { hasControlCharacter } from './worker-id.ts';

/** A random id needs 36 characters; more would only cost memory on the main thread. */
export const MAX_INSTANCE_ID_BYTES = 128;
/** As long as a worker's id: it stands in logs and events, and in files of tokens. */
export const MAX_GROUP_BYTES = 256;
/** Labels say where and what a worker is: what Kubernetes puts on a node are some twenty. */
export const MAX_LABELS = 64;
/** A prefix and a name of Kubernetes have 253 and 63 characters. */
const MAX_LABEL_NAME_BYTES = 320;
const MAX_LABEL_VALUE_BYTES = 1024;
/** An address with a zone; a version of any sort. */
const MAX_SHORT_BYTES = 256;

/** @throws PulselaneError `invalid_argument`, naming the field. The worker's id is checked elsewhere. */
export function checkWorkerInfo(info: WorkerInfo): void {
  checkText('instance_id', info.instanceId, MAX_INSTANCE_ID_BYTES);
  checkText('group', info.group, MAX_GROUP_BYTES);
  checkText('worker_ip', info.workerIp, MAX_SHORT_BYTES);
  checkText('agent_version', info.agentVersion, MAX_SHORT_BYTES);
  const labels = Object.entries(info.labels);
  if (labels.length > MAX_LABELS) throw refused(`${labels.length} labels; at most ${MAX_LABELS} are allowed`);
  for (const [name, value] of labels) {
    checkText('the name of a label', name, MAX_LABEL_NAME_BYTES);
    checkText('the value of a label', value, MAX_LABEL_VALUE_BYTES);
  }
}

/** @throws PulselaneError `invalid_argument` */
export function checkText(field: string, text: string, maxBytes: number): void {
  // No text has fewer bytes than characters.
  const bytes = text.length > maxBytes ? text.length : Buffer.byteLength(text);
  if (bytes > maxBytes) throw refused(`${field} has ${bytes} bytes; at most ${maxBytes} are allowed`);
  if (hasControlCharacter(text)) throw refused(`${field} contains a control character`);
}

function refused(problem: string): PulselaneError {
  return new PulselaneError('invalid_argument', problem);
}
