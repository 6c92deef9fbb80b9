/** The export of metrics as the settings say: its receivers, its thread, and what events and readers are told of it. */

import { Expected } from '../config/kinds.ts';
import type { MasterConfig } from '../config/options.ts';
import { requestHeaders, shownUrl } from '../config/receiver-kinds.ts';
import { hasAuthorization } from '../config/remote-write-rules.ts';
import { secretText, settingText } from '../config/setting-names.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import type { Clock } from '../lib/clock.ts';
import { allOrProblems, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { readSettingFile } from '../lib/setting-file.ts';
import { firstCertificate } from '../lib/tls-files.ts';
import { ExportHost } from '../metrics/export/host.ts';
import type { ExportSettings } from '../metrics/export/messages.ts';
import type { RemoteWriteSettings } from '../metrics/export/remote-write/settings.ts';
import type { Announcement } from '../reading/directory.ts';

/**
 * @returns undefined if no receiver is set
 * @throws PulselaneError `bad_setting`, naming the setting, without a secret
 */
export async function exportSettingsOf(config: MasterConfig): Promise<ExportSettings | undefined> {
  const receivers = [await remoteWriteOf(config)].filter((receiver) => receiver !== undefined);
  if (receivers.length === 0) return undefined;
  return { receivers, maxQueueBytes: config.exportQueueBytes, infoLabels: [] };
}

/** Whether there are files for `reload` to read. */
export function hasExportFiles(config: MasterConfig): boolean {
  const { remoteWritePasswordFile, remoteWriteTokenFile, remoteWriteHeadersFile, remoteWriteTlsCa } = config;
  const files = [remoteWritePasswordFile, remoteWriteTokenFile, remoteWriteHeadersFile, remoteWriteTlsCa];
  return config.remoteWriteUrl !== undefined && files.some((path) => path !== undefined);
}

async function remoteWriteOf(config: MasterConfig): Promise<RemoteWriteSettings | undefined> {
  const { remoteWriteUrl, remoteWriteHeaders, names } = config;
  if (remoteWriteUrl === undefined) return undefined;
  const { remoteWritePasswordFile, remoteWriteTokenFile, remoteWriteHeadersFile, remoteWriteTlsCa } = config;
  const [passwordInFile, tokenInFile, headersInFile, ca] = await allOrProblems([
    secretIn(config, 'REMOTE_WRITE_PASSWORD_FILE', remoteWritePasswordFile),
    secretIn(config, 'REMOTE_WRITE_TOKEN_FILE', remoteWriteTokenFile),
    secretIn(config, 'REMOTE_WRITE_HEADERS_FILE', remoteWriteHeadersFile),
    certificatesIn(config, 'REMOTE_WRITE_TLS_CA', remoteWriteTlsCa),
  ]);
  const url = new URL(remoteWriteUrl);
  const credentials = {
    user: config.remoteWriteUser ?? decodeURIComponent(url.username),
    password: config.remoteWritePassword ?? passwordInFile ?? decodeURIComponent(url.password),
    token: config.remoteWriteToken ?? tokenInFile,
  };
  url.username = '';
  url.password = '';
  const authorization = authorizationOf(credentials);
  const headersSetting = settingText(names, 'REMOTE_WRITE_HEADERS_FILE', remoteWriteHeadersFile);
  const headers =
    headersInFile === undefined ? (remoteWriteHeaders ?? {}) : parsedHeaders(headersSetting, headersInFile);
  if (authorization !== undefined && hasAuthorization(headers)) {
    throw new PulselaneError(
      'bad_setting',
      `${headersSetting}: expected no Authorization, since another setting says how to authenticate`,
    );
  }
  return {
    kind: 'remote_write',
    url: url.href,
    place: shownUrl(url.href),
    protocol: config.remoteWriteVersion === '1.0' ? '1.0' : '2.0',
    version: config.remoteWriteVersion,
    intervalMs: config.remoteWriteIntervalMs,
    authorization,
    headers,
    ca,
    externalLabels: config.remoteWriteLabels,
    families: config.remoteWriteFamilies,
  };
}

interface Credentials {
  readonly user: string;
  readonly password: string;
  readonly token: string | undefined;
}

function authorizationOf({ user, password, token }: Credentials): string | undefined {
  if (token !== undefined) return `Bearer ${token}`;
  if (user === '' && password === '') return undefined;
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** A secret in a file of its own: one line. @throws PulselaneError `bad_setting`, naming the setting */
async function secretIn(
  { names }: MasterConfig,
  variable: string,
  path: string | undefined,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const setting = settingText(names, variable, path);
  const text = (await readSettingFile(setting, path)).trim();
  if (text === '' || /[\r\n\0]/.test(text)) {
    throw new PulselaneError('bad_setting', `${setting}: expected the file to contain one line`);
  }
  return text;
}

async function certificatesIn(
  { names }: MasterConfig,
  variable: string,
  path: string | undefined,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const setting = settingText(names, variable, path);
  const pem = await readSettingFile(setting, path);
  firstCertificate(setting, pem);
  return pem;
}

function parsedHeaders(setting: string, text: string): Readonly<Record<string, string>> {
  try {
    return requestHeaders.parse(text);
  } catch (error) {
    if (!(error instanceof Expected)) throw error;
    throw new PulselaneError('bad_setting', `${setting}: expected the file to contain ${error.message}`);
  }
}

/** What is set by a `.env` file, which may be another program's, is told: fleet data goes there. */
export function noteReceivers({ receivers }: ExportSettings, { names }: MasterConfig, logger: Logger): void {
  for (const { place } of receivers) {
    const isInFile = (names?.REMOTE_WRITE_URL?.where ?? '') !== '';
    logger.info(`metrics are sent to ${place}${isInFile ? `: ${secretText(names, 'REMOTE_WRITE_URL')}` : ''}`);
  }
}

interface ExportParts {
  readonly manager: TelemetryManager;
  /** What else the master's own families need to know. */
  readonly others: () => readonly Announcement[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Creates the host without starting it. */
export function makeExports(settings: ExportSettings, { manager, others, clock, logger }: ExportParts): ExportHost {
  const host: ExportHost = new ExportHost({
    board: manager.boardMemory,
    settings,
    roster: () => [...manager.announcements(), ...others(), host.announcement],
    lastEventId: manager.events.lastId,
    onFault: (detail) => manager.recordEvent({ type: 'fault', detail }),
    onFaultOver: (detail) => manager.recordEvent({ type: 'fault_over', detail }),
    clock,
    logger,
  });
  manager.onAnnouncement((announcement) => host.announce([announcement]));
  // The master's own families tell of receivers, too.
  host.follow((announcement) => host.announce([announcement]));
  return host;
}
