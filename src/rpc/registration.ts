/** Handles Register and RegisterWorker, which differ only in their answers. */
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

/** After a restart a whole fleet may register with labels that do not fit; one line in this time is enough. */
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
   * Agents register again on every connection, usually with the same bytes; then it costs only a digest.
   * @param isCall whether the request was counted as a call of its address; if not, it counts as one unless it is known
   * @throws PulselaneError
   */
  register(request: Buffer, caller: Caller, isCall = true): WorkerInfo {
    const { manager, guard } = this.#options;
    guard.mustFit(caller, 'WorkerInfo', request, MAX_REGISTRATION_BYTES);
    // Collision-resistant: a caller must not find other bytes with the digest of another worker's registration.
    const digest = hash('sha256', request, 'base64');
    const known = manager.announced(digest);
    if (!isCall && known === undefined) guard.mustBeWithinCallRate(caller);
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
    logger.warn({ worker: workerId }, `a registration is partly over the limits; the rest was accepted: ${why}`);
  }
}

function decoded(request: Buffer) {
  const info = decodeRequest(WorkerInfoSchema, request);
  checkWorkerId(info.workerId);
  return fittedInfo(info);
}
