/** What an operator can do with a running master, at the prompt and over HTTP. */
import { formatWorkerAddress, workerAddress } from '../config/kinds.ts';
import type { InternalState } from '../engine/internal-state.ts';
import type { LaneStanding } from '../engine/lanes/lane-policy.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { AlertCommand, AlertReply } from '../model/alert-command.ts';
import type { AlertsStatus, LoadedRules } from '../model/alerts-status.ts';
import type { WorkerEvent } from '../model/events.ts';
import type { Holds } from '../model/holds.ts';
import type { Isolation } from '../model/isolation.ts';
import type { LaneLimit } from '../model/lanes.ts';
import type { Silence } from '../model/silence.ts';
import type { AlertTable } from '../reading/alert-table.ts';
import type { Directory } from '../reading/directory.ts';
import type { MasterIntroducer } from '../rpc/introducer.ts';

/** The alerts as main knows them. */
export interface OperatedAlerts {
  readonly table: AlertTable;
  readonly silences: readonly Silence[];
  /** Undefined until the rules are loaded. */
  readonly loadedRules: LoadedRules | undefined;
  /** Undefined until the first evaluation. */
  readonly status: AlertsStatus | undefined;
  /** Never rejects: failures, also a time-out, are in the reply. */
  command(asked: AlertCommand): Promise<AlertReply>;
}

export interface OperatorOptions {
  readonly manager: TelemetryManager;
  readonly introducer: MasterIntroducer;
  /** Undefined: ALERTS is off. */
  readonly alerts?: OperatedAlerts | undefined;
}

const ALERTS_OFF = 'alerts are off (ALERTS=off)';

export class Operator {
  readonly #manager: TelemetryManager;
  readonly #introducer: MasterIntroducer;

  /** Undefined: ALERTS is off. */
  readonly alerts: OperatedAlerts | undefined;

  constructor({ manager, introducer, alerts }: OperatorOptions) {
    this.#manager = manager;
    this.#introducer = introducer;
    this.alerts = alerts;
  }

  /** Silences, ends a silence, reloads the rules, sends a trial. Never rejects. */
  askAlerts(asked: AlertCommand): Promise<AlertReply> {
    if (this.alerts !== undefined) return this.alerts.command(asked);
    return Promise.resolve({ ok: false, code: 'failed_precondition', message: ALERTS_OFF });
  }

  /** The workers and their state. */
  get directory(): Directory {
    return this.#manager.directory;
  }

  /**
   * Makes a worker known. With an address (`ip:port`, or `tls://ip:port`) the master introduces itself there now, and again
   * whenever the worker is inactive; the address survives a restart of the master.
   * @returns a line for people
   * @throws PulselaneError with a code
   */
  async register(workerId: string, address?: string): Promise<string> {
    const target = address === undefined ? undefined : parsePeer(address);
    const known = this.directory.get(workerId);
    this.#manager.registerWorker(workerId);
    const now =
      known === undefined
        ? `${workerId} is registered and waits for its first heartbeat`
        : `${workerId} was known before (${this.directory.board.state(known.row)})`;
    if (target === undefined) return `${now}.`;
    this.#manager.members.setAddress(workerId, formatWorkerAddress(target));
    const outcome = await this.#introducer.introduceNow(workerId);
    return outcome.accepted
      ? `${now}; the agent at ${formatWorkerAddress(target)} accepted ${outcome.advertised} as its master.`
      : `${now}; the agent at ${formatWorkerAddress(target)} did not accept this master: ${outcome.reason}. The master keeps trying.`;
  }

  /** Forgets a worker. @returns a line for people. */
  unregister(workerId: string): string {
    if (!this.#manager.unregisterWorker(workerId)) {
      throw new PulselaneError('not_found', `no worker is called ${workerId}`);
    }
    return this.#manager.admission === 'open'
      ? `${workerId} is forgotten. Admission is open: its next heartbeat admits it again.`
      : `${workerId} is forgotten. It must be approved again before its heartbeats count.`;
  }

  /** Admits a worker that waits for approval, or will come. @returns a line for people */
  approve(workerId: string): string {
    return this.#manager.approve(workerId) === 'awaited'
      ? `${workerId} is approved; it has not reported yet.`
      : `${workerId} is approved.`;
  }

  /** Ends a worker's quarantine early. @returns a line for people */
  release(workerId: string): string {
    if (this.directory.get(workerId) === undefined) {
      throw new PulselaneError('not_found', `no worker is called ${workerId}`);
    }
    if (!this.#manager.releaseWorker(workerId)) {
      throw new PulselaneError('failed_precondition', `${workerId} is not in quarantine`);
    }
    return `${workerId} is released: its lane is starting again.`;
  }

  /** Decides which kind of lane a worker should have. @returns a line for people: what applies now, and why */
  isolate(workerId: string, isolation: Isolation): string {
    const standing = this.#manager.isolate(workerId, isolation);
    return `${DECIDED[isolation](workerId)} ${standingText(standing, this.#manager.internalState().laneLimit)}`;
  }

  /**
   * Releases the brake on mass failure: silent workers are treated as failed. @param group undefined: all groups
   * @returns a line for people
   */
  releaseBrakes(group?: string): string {
    const released = this.#manager.releaseBrakes(group);
    if (released === 0) {
      const whose = group === undefined ? '' : group === '' ? ' for workers without a group' : ` for group ${group}`;
      throw new PulselaneError('failed_precondition', `no brake is active${whose}`);
    }
    return `${released === 1 ? 'The brake is' : `${released} brakes are`} released: silent workers count as failed.`;
  }

  /** What currently keeps the master from judging silent workers. */
  holds(): Holds {
    return this.#manager.holds;
  }

  /** Recent events, oldest first. */
  events(): readonly WorkerEvent[] {
    return this.#manager.events.all();
  }

  /** Workers in quarantine. */
  quarantined(): string[] {
    const { directory } = this;
    return Array.from(directory.all())
      .filter(({ row }) => directory.board.lane(row).state === 'quarantined')
      .map(({ workerId }) => workerId);
  }

  /** The address at which the master introduces itself to the worker; undefined if none was given. */
  addressOf(workerId: string): string | undefined {
    return this.#manager.members.addressOf(workerId);
  }

  internalState(): InternalState {
    return this.#manager.internalState();
  }
}

function parsePeer(text: string) {
  try {
    return workerAddress.parse(text);
  } catch (error) {
    throw new PulselaneError('invalid_argument', `address ${JSON.stringify(text)}: expected ${messageOf(error)}`);
  }
}

const DECIDED: Readonly<Record<Isolation, (workerId: string) => string>> = {
  dedicated: (workerId) => `${workerId} will have a thread of its own.`,
  shared: (workerId) => `${workerId} will share a thread.`,
  auto: (workerId) => `${workerId} gets a thread of its own if it needs one.`,
};

/** What applies at this moment. */
function standingText(standing: LaneStanding, limit: LaneLimit): string {
  switch (standing) {
    case 'dedicated':
      return 'It has one.';
    case 'awaited':
      return 'It shares one until its own has started.';
    case 'shared':
      return 'It shares one.';
    case 'leaving':
      return 'It is about to leave its own.';
    case 'penalty':
      return 'It shares one with other workers that failed.';
    case 'quarantine':
      return 'It is in quarantine, without a thread.';
    case 'full':
      return fullText(limit);
    case 'memory':
      return 'This machine is short of memory: it shares one until there is more.';
    case 'absent':
      return 'It is absent: this applies once it comes.';
    case 'none':
      return noneText(limit);
    default:
      return standing satisfies never;
  }
}

function fullText({ dedicated, limitedBy }: LaneLimit): string {
  const taken =
    dedicated === 1
      ? `The only one (limited by ${limitedBy}) is used by a worker that needs it as much`
      : `All ${dedicated} (limited by ${limitedBy}) are used by workers that need one as much`;
  return `${taken}; it gets the next free one.`;
}

function noneText({ limitedBy, setting }: LaneLimit): string {
  const reason =
    limitedBy === 'MAX_DEDICATED_LANES'
      ? `${setting} is 0`
      : `The machine has room for none (${limitedBy}: ${setting})`;
  return `${reason}: all workers share lanes; the decision is kept.`;
}
