/** A worker says what it is: Register and RegisterWorker, which differ in their answers alone. */
import { hash } from 'node:crypto';
import { MAX_REGISTRATION_BYTES } from '../config/call-limits.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import { type WorkerInfo, WorkerInfoSchema } from '../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logging.ts';
import { checkWorkerId } from '../model/worker-id.ts';
import { fittedInfo } from '../model/worker-info.ts';
import type { Caller, CallGuard } from './call-guard.ts';
import { decodeRequest } from './calls.ts';

/** A fleet whose labels do not fit comes all at once after a restart: one line says what there is to know. */
const WARN_EVERY_MS = 60_000;

export interface RegistrarOptions {
  readonly manager: TelemetryManager;
  readonly guard: CallGuard;
  readonly logger: Logger;
  readonly clock: Clock;
}

export class Registrar {
  readonly #options: RegistrarOptions;
  #warnedMs = Number.NEGATIVE_INFINITY;

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  /**
   * Agents register anew with each connection, most often as before: then a digest is all that it costs.
   * @throws PulselaneError
   */
  register(request: Buffer, caller: Caller): WorkerInfo {
    const { manager, guard } = this.#options;
    guard.mustFit(caller, 'WorkerInfo', request, MAX_REGISTRATION_BYTES);
    // One that nobody can find another text for: who spoke for another worker by that would be believed.
    const digest = hash('sha256', request, 'base64');
    const known = manager.announced(digest);
    const { info, problems } = known === undefined ? decoded(request) : { info: known, problems: [] };
    guard.mustSpeakFor(caller, info.workerId, info.group);
    manager.announceWorker(info, digest);
    if (problems.length > 0) this.#doesNotFit(info.workerId, problems);
    return info;
  }

  #doesNotFit(workerId: string, problems: readonly string[]): void {
    const { manager, logger, clock } = this.#options;
    manager.refusals.count('registration_size');
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#warnedMs < WARN_EVERY_MS) return;
    this.#warnedMs = nowMs;
    const [first = '', ...others] = problems;
    const why = others.length === 0 ? first : `${first}, and ${others.length} more`;
    logger.warn({ worker: workerId }, `a worker registers with what does not fit, and is taken without it: ${why}`);
  }
}

function decoded(request: Buffer) {
  const info = decodeRequest(WorkerInfoSchema, request);
  checkWorkerId(info.workerId);
  return fittedInfo(info);
}
