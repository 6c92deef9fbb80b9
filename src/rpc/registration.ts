/** A worker says what it is: Register and RegisterWorker, which differ in their answers alone. */
import { hash } from 'node:crypto';
import { MAX_REGISTRATION_BYTES } from '../config/call-limits.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import { type WorkerInfo, WorkerInfoSchema } from '../gen/pulselane/v1/telemetry_pb.ts';
import { checkWorkerId } from '../model/worker-id.ts';
import { checkWorkerInfo } from '../model/worker-info.ts';
import type { Caller, CallGuard } from './call-guard.ts';
import { decodeRequest } from './calls.ts';

/**
 * Agents register anew with each connection, most often as before: then a digest is all that it costs.
 * @throws PulselaneError
 */
export function register(
  request: Buffer,
  caller: Caller,
  { manager, guard }: { manager: TelemetryManager; guard: CallGuard },
): WorkerInfo {
  guard.mustFit(caller, 'WorkerInfo', request, MAX_REGISTRATION_BYTES);
  // One that nobody can find another text for: who spoke for another worker by that would be believed.
  const digest = hash('sha256', request, 'base64');
  const info = manager.announced(digest) ?? checkedInfo(request);
  guard.mustSpeakFor(caller, info.workerId, info.group);
  manager.announceWorker(info, digest);
  return info;
}

function checkedInfo(request: Buffer): WorkerInfo {
  const info = decodeRequest(WorkerInfoSchema, request);
  checkWorkerId(info.workerId);
  checkWorkerInfo(info);
  return info;
}
