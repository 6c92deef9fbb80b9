/** Log lines of the agent's parts: one per transition, never one per heartbeat. */
import type { Logger } from '../lib/logging.ts';

export type ReportLevel = 'info' | 'warn' | 'error';
export type ReportFields = Readonly<Record<string, string | number | boolean>>;

/** A plain function, since the lines of the agent's thread reach the host's logger as messages. */
export type Report = (level: ReportLevel, message: string, fields?: ReportFields) => void;

export function reportTo(logger: Logger): Report {
  return (level, message, fields = {}) => logger[level](fields, message);
}
