/** The composition root of a master: makes every part, joins them, and undoes it all in reverse. */
import type { MasterConfig } from '../config/options.ts';
import { MembersFile } from '../engine/members-file.ts';
import { TelemetryManager } from '../engine/telemetry-manager.ts';
import { ValuesFile } from '../engine/values-file.ts';
import { HttpHost } from '../http/host.ts';
import { httpLimitsOf } from '../http/limits.ts';
import type { HttpSecrets } from '../http/messages.ts';
import type { Clock } from '../lib/clock.ts';
import { lockDirectory } from '../lib/directory-lock.ts';
import { PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { unreadyReasons } from '../model/readiness.ts';
import { MasterIntroducer } from '../rpc/introducer.ts';
import { RpcServer } from '../rpc/server.ts';
import { obey } from './commands.ts';
import { exposureOf } from './exposure.ts';
import { readHttpSecrets } from './http-secrets.ts';
import { Lifecycle } from './lifecycle.ts';
import { Operator } from './operator.ts';
import { ReadinessTeller } from './readiness.ts';
import type { RunningMaster } from './running-master.ts';

export interface MasterContext {
  readonly logger: Logger;
  readonly clock: Clock;
}

/** We promise an end within 10 s; the farewell of a local agent and the exit of the process need the rest. */
const STOP_WITHIN_MS = 8000;

/** @throws PulselaneError naming the setting that cannot be met; nothing is left running then. */
export async function startMaster(config: MasterConfig, { logger, clock }: MasterContext): Promise<RunningMaster> {
  const lifecycle = new Lifecycle(clock, logger);
  try {
    return await start(config, { logger, clock }, lifecycle);
  } catch (error) {
    await lifecycle.stop(STOP_WITHIN_MS);
    throw error;
  }
}

async function start(
  config: MasterConfig,
  { logger, clock }: MasterContext,
  lifecycle: Lifecycle,
): Promise<RunningMaster> {
  const manager = new TelemetryManager({ ...config, clock, logger });
  const readiness = new ReadinessTeller();
  const membersFile = new MembersFile({
    dataDir: config.dataDir,
    members: manager.members,
    onFailing: (membersFileFails) => readiness.update({ membersFileFails }),
    clock,
    logger,
  });
  const valuesFile = new ValuesFile({ dataDir: config.dataDir, clock, logger });
  const failure = Promise.withResolvers<PulselaneError>();
  const lock = await lockDirectory(config.dataDir, {
    clock,
    logger,
    onLost() {
      membersFile.abandon();
      valuesFile.abandon();
      const reason = `DATA_DIR=${config.dataDir}: another master has taken it over, so this one ends`;
      failure.resolve(new PulselaneError('environment', reason));
    },
  });
  lifecycle.onStop('lock of the data directory', () => lock.release());
  const secrets = await readHttpSecrets(config, undefined);
  checkExposure(config, secrets, logger);
  const members = await membersFile.open();
  lifecycle.onStop('members file', () => membersFile.close());
  const values = await valuesFile.read();
  lifecycle.onStop('values file', () => valuesFile.close());

  await manager.start();
  lifecycle.onStop('lanes', () => manager.shutdown());
  manager.restore(members, values);
  valuesFile.start(() => manager.savedValues());

  const rpc = new RpcServer({
    address: config.grpcAddress,
    manager,
    maxMessageBytes: config.maxMessageBytes,
    clock,
    logger,
  });
  // That it can be asked at all shows that main is not stuck.
  readiness.follow((facts) => rpc.setServing(unreadyReasons(facts, 0).length === 0));
  const grpcAddress = await rpc.start();
  lifecycle.onStop('gRPC', () => rpc.stop());

  const introducer = new MasterIntroducer({
    manager,
    advertiseAddress: config.advertiseAddress,
    boundAddress: grpcAddress,
    clock,
    logger,
  });
  introducer.start();
  lifecycle.onStop('introductions', () => introducer.stop());

  const operator = new Operator({ manager, introducer });
  // HTTP is the last part to start: whoever can ask there sees a master that serves.
  readiness.update({ phase: 'serving' });
  const parts = { manager, operator, secrets, readiness };
  const httpAddress = await startHttp(config, parts, { logger, clock }, lifecycle);
  lifecycle.onStop('readiness', () => readiness.update({ phase: 'stopping' }));
  return {
    grpcAddress,
    httpAddress,
    manager,
    operator,
    failure: failure.promise,
    stop: () => lifecycle.stop(STOP_WITHIN_MS),
  };
}

interface HttpParts extends Pick<RunningMaster, 'manager' | 'operator'> {
  readonly secrets: HttpSecrets;
  readonly readiness: ReadinessTeller;
}

async function startHttp(
  config: MasterConfig,
  { manager, operator, secrets, readiness }: HttpParts,
  { logger, clock }: MasterContext,
  lifecycle: Lifecycle,
): Promise<RunningMaster['httpAddress']> {
  if (config.httpAddress === undefined) return undefined;
  const http = new HttpHost({
    address: config.httpAddress,
    board: manager.boardMemory,
    roster: () => [...manager.announcements(), readiness.announcement],
    corsOrigins: config.corsOrigins,
    allowedHosts: config.allowedHosts,
    limits: httpLimitsOf(config),
    secrets,
    onCommand: (command) => obey(command, operator),
    clock,
    logger,
  });
  const stopListening = manager.onAnnouncement((announcement) => http.announce([announcement]));
  const stopFollowing = readiness.follow(() => http.announce([readiness.announcement]));
  lifecycle.onStop('HTTP', async () => {
    stopListening();
    stopFollowing();
    await http.stop();
  });
  return http.start();
}

/** @throws PulselaneError `bad_setting` if authentication is required and a port asks nobody who they are */
function checkExposure(config: MasterConfig, { tokens, tls }: HttpSecrets, logger: Logger): void {
  const asksClients = tokens.length > 0 || tls?.clientCa !== undefined;
  const exposure = exposureOf({ ...config, asksClients, asksWorkers: false });
  if (exposure === undefined) return;
  if (config.requireAuth) throw new PulselaneError('bad_setting', `REQUIRE_AUTH=true: ${exposure}`);
  logger.warn(exposure);
}
