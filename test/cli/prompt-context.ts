/** A real engine behind the prompt, without gRPC: what commands show and change is the real thing. */
import { type OperatedAlerts, Operator } from '../../src/app/operator.ts';
import type { PromptContext } from '../../src/cli/prompt/command.ts';
import { PROMPT_COMMANDS } from '../../src/cli/prompt/commands.ts';
import { plainPage } from '../../src/cli/text/page.ts';
import { TelemetryManager, type TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Introduction, MasterIntroducer } from '../../src/rpc/introducer.ts';
import { eventually } from '../support/eventually.ts';

export interface PromptMaster {
  readonly manager: TelemetryManager;
  readonly context: Omit<PromptContext, 'live' | 'exit' | 'exitNow'>;
  /** What the next introduction to a worker comes to. */
  introduction: Promise<Introduction>;
}

const started: TelemetryManager[] = [];

export async function startPromptMaster(
  options: TelemetryManagerOptions = {},
  alerts?: OperatedAlerts,
): Promise<PromptMaster> {
  const manager = new TelemetryManager({ maxWorkers: 300, maxDedicatedLanes: 1, sharedLanes: 1, ...options });
  started.push(manager);
  await manager.start();
  const introducer = { introduceNow: () => master.introduction } as unknown as MasterIntroducer;
  const operator = new Operator({ manager, introducer, alerts });
  const master: PromptMaster = {
    manager,
    context: {
      operator,
      clock: systemClock,
      commands: PROMPT_COMMANDS,
      httpUrl: 'http://127.0.0.1:8080',
      page: () => plainPage(200),
    },
    introduction: Promise.resolve({ accepted: true, advertised: '127.0.0.1:50051' }),
  };
  return master;
}

/** A worker that has sent one heartbeat, and is shown with it. */
export async function addWorker({ manager }: PromptMaster, workerId: string, cpuUsage = 42): Promise<void> {
  manager.processHeartbeat({ workerId, cpuUsage });
  await eventually(() => manager.getWorkerTelemetry(workerId)?.cpuUsage === cpuUsage);
  // Its values can be read a moment before main knows that they were applied.
  const { directory } = manager;
  await eventually(() => directory.board.state(directory.get(workerId)?.row ?? -1) === 'active');
}

/** For `afterEach`. */
export async function stopPromptMasters(): Promise<void> {
  await Promise.all(started.splice(0).map((manager) => manager.shutdown()));
}
