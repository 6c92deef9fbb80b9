/** The composition root of a master: creates and connects all parts, and stops them in reverse. */

import type { AlertsHost } from '../alerts/host.ts';
import { isLoopback } from '../config/kinds.ts';
import type { MasterConfig } from '../config/options.ts';
import { ringTimeMs } from '../config/ring-time.ts';
import { settingText } from '../config/setting-names.ts';
import { managerOptionsOf } from '../engine/manager-options.ts';
import { TelemetryManager } from '../engine/telemetry-manager.ts';
import type { DatabasePlace } from '../history/database.ts';
import type { HistoryHost } from '../history/host.ts';
import { HttpHost } from '../http/host.ts';
import { httpLimitsOf } from '../http/http-limits.ts';
import type { HttpSecrets } from '../http/messages.ts';
import type { Clock } from '../lib/clock.ts';
import { allOrProblems, PulselaneError } from '../lib/errors.ts';
import type { ClientPems } from '../lib/grpc-adapter.ts';
import type { Logger } from '../lib/logging.ts';
import { readSettingFile } from '../lib/setting-file.ts';
import { firstCertificate, readTlsFiles, type TlsFiles } from '../lib/tls-files.ts';
import { keepWorkingDirectory } from '../lib/working-directory.ts';
import type { ExportHost } from '../metrics/export/host.ts';
import { concernsMaster } from '../metrics/master/families.ts';
import { NodeMetrics } from '../metrics/master/node-metrics.ts';
import { unreadyReasons } from '../model/readiness.ts';
import { Authority } from '../rpc/authority.ts';
import { MasterIntroducer } from '../rpc/introducer.ts';
import type { RelayedAnswer, RelayedCall } from '../rpc/relayed-calls.ts';
import { RpcServer } from '../rpc/server.ts';
import { alertsOf, makeAlerts, reloadableRules } from './alerts.ts';
import { obey } from './commands.ts';
import { needsIdentity, type Reloadable, readWorkerTokens, reloadAll } from './credentials.ts';
import { DataDirectory } from './data-directory.ts';
import { ExpiryWatch, watchedApiTokens, watchedWorkerTokens } from './expiry-watch.ts';
import { exportSettingsOf, hasExportFiles, makeExports, noteReceivers } from './exports.ts';
import { exposureOf } from './exposure.ts';
import { historySettingsOf, makeHistory, notePlace } from './history.ts';
import { httpSecretsOf, httpTlsOf, readApiTokens, workerCredentialsOf } from './http-secrets.ts';
import { Lifecycle } from './lifecycle.ts';
import { linkBase, linkWarning } from './link-base.ts';
import { Operator } from './operator.ts';
import { ReadinessTeller } from './readiness.ts';
import type { ClientAccess, RunningMaster } from './running-master.ts';

export interface MasterContext {
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The whole master must stop within 10 s; a local agent's last heartbeat and the exit of the process need the rest. */
const STOP_WITHIN_MS = 8000;
/** One check takes microseconds and does not use the disk. */
const LOOK_AT_DIRECTORY_EVERY_MS = 1000;

/** @throws PulselaneError naming the setting that failed; then nothing is left running */
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
  watchWorkingDirectory({ logger, clock }, lifecycle);
  const [tls, workerTokens, apiTokens, introducerCa, historySettings, exportSettings, alertsStart] =
    await allOrProblems([
      readTls(config),
      needsIdentity(config) ? readWorkerTokens(config) : undefined,
      readApiTokens(config),
      readIntroducerCa(config),
      historySettingsOf(config),
      exportSettingsOf(config),
      alertsOf(config),
    ]);
  const authority = workerTokens && new Authority(workerTokens, clock);
  warnOfCredentials(config, tls, { logger, clock });
  const readiness = new ReadinessTeller();
  const manager = new TelemetryManager({
    ...managerOptionsOf(config),
    // Without history nobody reads them.
    samples: historySettings && {
      spanMs: ringTimeMs(config),
      memory: config.ringMemory,
      metrics: config.historyMetrics,
    },
    anomalyScores: config.anomalies === 'on',
    onThreadsFailing: (threadsFail) => readiness.update({ threadsFail }),
    clock,
    logger,
  });
  const failure = Promise.withResolvers<PulselaneError>();
  let history: HistoryHost | undefined;
  let exports: ExportHost | undefined;
  let alerts: AlertsHost | undefined;
  const directory = new DataDirectory({
    dataDir: config.dataDir,
    manager,
    onFailing: (membersFileFails) => readiness.update({ membersFileFails }),
    onLost: (error) => {
      history?.abandon();
      exports?.abandon();
      alerts?.abandon();
      failure.resolve(error);
    },
    clock,
    logger,
  });
  await directory.lock(lifecycle);
  await directory.eventIds.open();
  lifecycle.onStop('file of event ids', () => directory.eventIds.close());
  const secrets = {
    ...(await httpSecretsOf(config, apiTokens, tls, { logger, clock })),
    workers: workerTokens && workerCredentialsOf(workerTokens),
  };
  directory.keep(secrets.sessionKey);
  checkExposure(config, secrets, logger);
  const members = await directory.members.open();
  lifecycle.onStop('members file', () => directory.members.close());
  const values = await directory.values.read();
  lifecycle.onStop('values file', () => directory.values.close());

  history = historySettings && makeHistory(historySettings, manager, { logger, clock });
  // After the lanes, so that nothing that they have applied is missing.
  lifecycle.onStop('history', () => history?.stop());
  await manager.start();
  lifecycle.onStop('lanes', () => manager.shutdown());
  manager.restore(members, values);
  const one = (workerId: string) => manager.valuesOf(workerId);
  directory.values.start(() => manager.savedValues(), one);
  manager.onActive((workerId) => directory.values.hasCome(workerId));
  if (historySettings !== undefined) notePlace(historySettings, config, logger);
  history?.start();
  exports =
    exportSettings &&
    makeExports(exportSettings, {
      manager,
      others: () => [
        ...(history === undefined ? [] : [history.announcement]),
        ...(alerts?.announcements().filter(concernsMaster) ?? []),
      ],
      clock,
      logger,
    });
  history?.follow((announcement) => exports?.announce([announcement]));
  lifecycle.onStop('export of metrics', () => exports?.stop());
  if (exportSettings !== undefined) noteReceivers(exportSettings, config, logger);
  exports?.start();

  const rpc = new RpcServer({
    address: config.grpcAddress,
    names: config.names,
    manager,
    limits: config,
    tls,
    authority,
    hasReflection: config.grpcReflection,
    clock,
    logger,
  });
  // Age 0: that gRPC answers at all shows that main is not stuck.
  readiness.follow((facts) => rpc.setServing(unreadyReasons(facts, 0).length === 0));
  manager.front = () => rpc.gauges;
  const grpcAddress = await rpc.start();
  lifecycle.onStop('gRPC', () => rpc.stop());

  const introducer = new MasterIntroducer({
    manager,
    advertiseAddress: config.advertiseAddress,
    boundAddress: grpcAddress,
    tls: { ca: introducerCa, cert: tls?.cert, key: tls?.key },
    clock,
    logger,
  });
  introducer.start();
  lifecycle.onStop('introductions', () => introducer.stop());

  const nodeMetrics = new NodeMetrics(clock, (metrics) => manager.publishNodeMetrics(metrics));
  lifecycle.onStop('metrics of the process', () => nodeMetrics.stop());

  alerts =
    alertsStart &&
    makeAlerts(alertsStart, {
      manager,
      past: historySettings?.place,
      history,
      anomalies: config.anomalies === 'on',
      clock,
      logger,
    });
  alerts?.follow((announcement) => {
    if (concernsMaster(announcement)) exports?.announce([announcement]);
  });
  const operator = new Operator({ manager, introducer, alerts });
  const onWorkerCall = (call: RelayedCall) => rpc.relayed.answering(call);
  const historyPlace = historySettings?.place;
  const parts = { manager, operator, onWorkerCall, secrets, readiness, history, historyPlace, exports, alerts };
  const http = makeHttp(config, parts, { logger, clock }, lifecycle);
  // HTTP starts last: clients that reach it see a master that is ready.
  readiness.update({ phase: 'serving' });
  const httpAddress = await http?.start();
  // Last: no client waits until its script is compiled.
  alerts?.start({
    publicUrl: config.publicUrl ?? linkBase(httpAddress, tls !== undefined),
    linkWarning: linkWarning(config.publicUrl, httpAddress),
  });
  lifecycle.onStop('alerts', () => alerts?.stop());
  lifecycle.onStop('readiness', () => readiness.update({ phase: 'stopping' }));
  const expiry = new ExpiryWatch({ clock, logger, onExpired: () => rpc.recheckCallers() });
  expiry.set('workers', watchedWorkerTokens(workerTokens ?? []));
  expiry.set('API', watchedApiTokens(secrets.tokens));
  lifecycle.onStop('expiry of tokens', expiry.start());
  const reloadables = reloadablesOf(config, { rpc, authority, http, introducer, expiry, exports, alerts });
  let reloading = Promise.resolve();
  return {
    grpcAddress,
    httpAddress,
    httpAccess: {
      isEncrypted: tls !== undefined,
      asksForToken: secrets.tokens.length > 0,
      asksForCertificate: secrets.tls?.clientCa !== undefined,
    },
    grpcAccess: grpcAccessOf(config),
    manager,
    operator,
    history,
    exports,
    alerts,
    failure: failure.promise,
    reload() {
      if (reloadables.length === 0) logger.info('nothing to reload: no files of tokens or certificates are set');
      // One after another, so that the files read last are active in the end.
      reloading = reloading.then(() => reloadAll(reloadables, logger));
      return reloading;
    },
    vitality() {
      const { workers, activeWorkers } = manager.internalState();
      return {
        status: `${activeWorkers} of ${workers} workers active`,
        stuck: http?.isStuck === true ? 'the HTTP thread does not answer and does not end' : undefined,
      };
    },
    localAccess(workerId) {
      if (authority === undefined && tls?.clientCa !== undefined) {
        throw new PulselaneError(
          'bad_setting',
          'WORKER_AUTH=off: the agent of --with-agent has no certificate, which TLS_CLIENT_CA requires; expected auto',
        );
      }
      return { isEncrypted: tls !== undefined, token: authority?.issue(workerId) };
    },
    stop: () => lifecycle.stop(STOP_WITHIN_MS),
  };
}

/** Also needed for the query threads, which another thread starts. */
function watchWorkingDirectory({ logger, clock }: MasterContext, lifecycle: Lifecycle): void {
  let lastDirectory = keepWorkingDirectory();
  const timer = clock.every(LOOK_AT_DIRECTORY_EVERY_MS, () => {
    const movedTo = keepWorkingDirectory();
    if (movedTo !== lastDirectory) logger.warn(`the working directory was removed; now using ${movedTo}`);
    lastDirectory = movedTo;
  });
  lifecycle.onStop('look at the working directory', () => timer.cancel());
}

function grpcAccessOf(config: MasterConfig): ClientAccess {
  const asksForToken = needsIdentity(config) && config.workerTokensFile !== undefined;
  return {
    isEncrypted: config.tlsCert !== undefined,
    asksForToken,
    // A token suffices instead.
    asksForCertificate: config.tlsClientCa !== undefined && !asksForToken,
  };
}

interface HttpParts extends Pick<RunningMaster, 'manager' | 'operator'> {
  readonly onWorkerCall: (call: RelayedCall) => Iterator<void, RelayedAnswer>;
  readonly secrets: HttpSecrets;
  readonly readiness: ReadinessTeller;
  /** Undefined: history is off. */
  readonly history: HistoryHost | undefined;
  readonly historyPlace: DatabasePlace | undefined;
  /** Undefined: no receiver of metrics is set. */
  readonly exports: ExportHost | undefined;
  /** Undefined: alerts are off. */
  readonly alerts: AlertsHost | undefined;
}

interface ReloadableParts {
  readonly rpc: RpcServer;
  readonly introducer: MasterIntroducer;
  readonly authority: Authority | undefined;
  /** Undefined: HTTP is off. */
  readonly http: HttpHost | undefined;
  readonly expiry: ExpiryWatch;
  /** Undefined: no receiver of metrics is set. */
  readonly exports: ExportHost | undefined;
  /** Undefined: alerts are off. */
  readonly alerts: AlertsHost | undefined;
}

function readTls(config: MasterConfig): Promise<TlsFiles | undefined> {
  return readTlsFiles(config, (variable, path) => settingText(config.names, variable, path));
}

/** The CA of workers that listen with TLS. @throws PulselaneError `bad_setting`, naming the setting */
async function readIntroducerCa({ introduceTlsCa: path, names }: MasterConfig): Promise<ClientPems['ca']> {
  if (path === undefined) return undefined;
  const setting = settingText(names, 'INTRODUCE_TLS_CA', path);
  const ca = await readSettingFile(setting, path);
  firstCertificate(setting, ca);
  return ca;
}

function reloadablesOf(
  config: MasterConfig,
  { rpc, authority, http, introducer, expiry, exports, alerts }: ReloadableParts,
): Reloadable[] {
  const reloadables: Reloadable[] = [];
  if (config.tlsCert !== undefined) {
    reloadables.push({
      name: 'the TLS files',
      async reload() {
        const tls = await readTls(config);
        if (tls === undefined) return undefined;
        rpc.setTls(tls);
        introducer.setTls({ cert: tls.cert, key: tls.key });
        http?.reload({ tls: httpTlsOf(tls, config) });
        return undefined;
      },
    });
  }
  if (config.introduceTlsCa !== undefined) {
    reloadables.push({
      name: 'the CA of workers (INTRODUCE_TLS_CA)',
      async reload() {
        introducer.setTls({ ca: await readIntroducerCa(config) });
        return undefined;
      },
    });
  }
  if (exports !== undefined && hasExportFiles(config)) {
    reloadables.push({
      name: 'the credentials of receivers of metrics',
      async reload() {
        const settings = await exportSettingsOf(config);
        if (settings !== undefined) exports.renew(settings);
        return undefined;
      },
    });
  }
  const rules = reloadableRules(alerts, config);
  if (rules !== undefined) reloadables.push(rules);
  if (authority !== undefined && config.workerTokensFile !== undefined) {
    reloadables.push({
      name: 'the worker tokens',
      async reload() {
        const tokens = await readWorkerTokens(config);
        const gone = authority.setTokens(tokens);
        http?.reload({ workers: workerCredentialsOf(tokens) });
        const ended = rpc.recheckCallers();
        expiry.set('workers', watchedWorkerTokens(tokens));
        return `${tokens.length} active, ${gone} removed; streams ended: ${ended}`;
      },
    });
  }
  if (http !== undefined && config.apiTokensFile !== undefined) {
    reloadables.push({
      name: 'the API tokens',
      async reload() {
        const tokens = await readApiTokens(config);
        http.reload({ tokens });
        expiry.set('API', watchedApiTokens(tokens));
        return `${tokens.length} active`;
      },
    });
  }
  return reloadables;
}

/** Warns of settings that work but are probably mistakes. */
function warnOfCredentials(config: MasterConfig, tls: TlsFiles | undefined, { logger, clock }: MasterContext): void {
  if (tls !== undefined && tls.certExpiresUnixMs < clock.wallMs()) {
    const since = new Date(tls.certExpiresUnixMs).toISOString();
    logger.warn(`${settingText(config.names, 'TLS_CERT', config.tlsCert)}: the certificate expired at ${since}`);
  }
  if (config.workerTokensFile === undefined) return;
  if (config.workerAuth === 'off') logger.warn('WORKER_AUTH is off: the tokens of WORKER_TOKENS_FILE are ignored');
  else if (tls === undefined && !isLoopback(config.grpcAddress.host)) {
    logger.warn('workers send their tokens unencrypted: set TLS_CERT and TLS_KEY');
  }
}

/** Creates the HTTP host without starting it. */
function makeHttp(
  config: MasterConfig,
  { manager, operator, onWorkerCall, secrets, readiness, history, historyPlace, exports, alerts }: HttpParts,
  { logger, clock }: MasterContext,
  lifecycle: Lifecycle,
): HttpHost | undefined {
  if (config.httpAddress === undefined) return undefined;
  const http = new HttpHost({
    address: config.httpAddress,
    names: config.names,
    board: manager.boardMemory,
    roster: () => [
      ...manager.announcements(),
      readiness.announcement,
      ...(history === undefined ? [] : [history.announcement]),
      ...(exports === undefined ? [] : [exports.announcement]),
      ...(alerts === undefined ? [] : alerts.announcements()),
    ],
    corsOrigins: config.corsOrigins,
    allowedHosts: config.allowedHosts,
    limits: httpLimitsOf(config),
    secrets,
    history: historyPlace,
    hasAlerts: config.alerts === 'on',
    metrics: { labels: config.metricsLabels, maxSeries: config.metricsMaxSeries },
    onCommand: (command) => obey(command, operator),
    onWorkerCall,
    clock,
    logger,
  });
  const stopListening = manager.onAnnouncement((announcement) => http.announce([announcement]));
  const stopFollowing = readiness.follow(() => http.announce([readiness.announcement]));
  history?.follow((announcement) => http.announce([announcement]));
  exports?.follow((announcement) => http.announce([announcement]));
  alerts?.follow((announcement) => http.announce([announcement]));
  lifecycle.onStop('HTTP', async () => {
    stopListening();
    stopFollowing();
    await http.stop();
  });
  return http;
}

/** @throws PulselaneError `bad_setting` if authentication is required but a port has none */
function checkExposure(config: MasterConfig, { tokens, tls }: HttpSecrets, logger: Logger): void {
  const asksClients = tokens.length > 0 || tls?.clientCa !== undefined;
  // With WORKER_AUTH=off workers need not identify themselves, but a certificate is still required to connect.
  const asksWorkers = needsIdentity(config) || config.tlsClientCa !== undefined;
  const asksWorkersOverHttp = needsIdentity(config) || tls?.clientCa !== undefined;
  const exposure = exposureOf({ ...config, asksClients, asksWorkers, asksWorkersOverHttp });
  if (exposure === undefined) return;
  if (config.requireAuth) throw new PulselaneError('bad_setting', `REQUIRE_AUTH=true: ${exposure}`);
  logger.warn(exposure);
}
