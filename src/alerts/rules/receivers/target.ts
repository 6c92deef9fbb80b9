/**
 * Reads what a receiver has of one kind: `webhook: { url_file: hook-url }` → its settings, with secrets read from their files. It is one
 * target; several Alertmanagers are several.
 */
import { resolve } from 'node:path';
import type { z } from 'zod';
import { slipsBetween } from '../../../config/near-misses.ts';
import { fileCauseText } from '../../../lib/setting-file.ts';
import type { ReceiverTarget } from '../rule.ts';
import { alertmanager } from './alertmanager.ts';
import { command } from './command.ts';
import { discord } from './discord.ts';
import { email } from './email.ts';
import type { ReceiverKind } from './kind.ts';
import { log } from './log.ts';
import { ntfy } from './ntfy.ts';
import { pagerduty } from './pagerduty.ts';
import { slack } from './slack.ts';
import { webhook } from './webhook.ts';

/** By its field in a receiver. */
export const RECEIVER_KINDS = {
  alertmanager,
  webhook,
  slack,
  discord,
  ntfy,
  pagerduty,
  email,
  command,
  log,
} as const satisfies Readonly<Record<string, ReceiverKind>>;
export type ReceiverKindName = keyof typeof RECEIVER_KINDS;

/** Something that is wrong with a target. The path begins in the target: `[]`, `['url']`, `['to', 1]`. */
export interface TargetProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export interface TargetContext {
  /** Of the rule file: `…_file` is relative to it. */
  readonly folder: string;
  /** ALERT_COMMANDS=on. */
  readonly allowsCommands: boolean;
  /** @returns the text of a file. @throws Error of the system */
  readonly readFile: (path: string) => string;
}

export type ParsedTarget =
  | { readonly targets: readonly ReceiverTarget[]; readonly problems?: undefined }
  | { readonly targets?: undefined; readonly problems: readonly TargetProblem[] };

/** @param value what stands in the file; nothing (null) is an object without fields */
export function parseTarget(name: ReceiverKindName, value: unknown, context: TargetContext): ParsedTarget {
  const kind: ReceiverKind = RECEIVER_KINDS[name];
  if (kind.runsCommands && !context.allowsCommands) {
    return failed(
      [],
      'commands are off, because whoever can write this file could run programs: set ALERT_COMMANDS=on',
    );
  }
  if (typeof (value ?? {}) !== 'object' || Array.isArray(value)) {
    return failed([], `expected an object such as { ${Object.keys(kind.fields)[0] ?? 'send_resolved'}: … }`);
  }
  const { send_resolved: sendsResolved = kind.sendsResolved, ...written } = (value ?? {}) as Record<string, unknown>;
  const problems: TargetProblem[] = [];
  if (typeof sendsResolved !== 'boolean') problems.push({ path: ['send_resolved'], message: 'expected true or false' });
  const read = withFiles(kind, written, context, problems);
  const { data, error } = kind.schema.safeParse(read.fields);
  for (const issue of error?.issues ?? []) problems.push(...problemsOf(issue, kind, read));
  if (problems.length > 0) return { problems };
  const all = kind.split?.(data) ?? [data];
  return { targets: all.map((settings) => ({ kind: name, settings, sendsResolved: sendsResolved as boolean })) };
}

interface WithFiles {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Fields whose value is from a file. */
  readonly fromFile: ReadonlySet<string>;
  /** Fields whose file could not be read: said already. */
  readonly unread: ReadonlySet<string>;
}

function withFiles(
  kind: ReceiverKind,
  written: Readonly<Record<string, unknown>>,
  { folder, readFile }: TargetContext,
  problems: TargetProblem[],
): WithFiles {
  const fields = { ...written };
  const fromFile = new Set<string>();
  const unread = new Set<string>();
  for (const name of kind.inFiles) {
    const twin = `${name}_file`;
    const path = fields[twin];
    delete fields[twin];
    if (path === undefined) continue;
    const problem = (message: string) => {
      problems.push({ path: [twin], message });
      unread.add(name);
    };
    if (fields[name] !== undefined) {
      problem(`expected either ${name} or ${twin}, not both`);
      continue;
    }
    if (typeof path !== 'string' || path === '' || path.includes('\0')) {
      problem('expected the path of a file');
      continue;
    }
    try {
      const text = readFile(resolve(folder, path)).trim();
      if (text === '') problem(`expected ${path} to contain ${name}, but it is empty`);
      fields[name] = text;
      fromFile.add(name);
    } catch (error) {
      problem(`${path} cannot be read: ${fileCauseText(error)}`);
    }
  }
  return { fields, fromFile, unread };
}

function problemsOf(
  issue: z.core.$ZodIssue,
  kind: ReceiverKind,
  { fields, fromFile, unread }: WithFiles,
): TargetProblem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [key],
      message: `unknown field ${JSON.stringify(key)}${insteadOf(key, kind)}`,
    }));
  }
  const [field, ...rest] = issue.path as (string | number)[];
  if (typeof field !== 'string') return [{ path: [], message: issue.message }];
  if (unread.has(field)) return [];
  const twin = `${field}_file`;
  if (fromFile.has(field))
    return [{ path: [twin], message: issue.message.replace(/^expected /, 'expected the file to contain ') }];
  if (fields[field] === undefined) {
    const choice = kind.inFiles.includes(field) ? `${field} or ${twin}` : field;
    return [{ path: [], message: `${choice} is missing: ${issue.message}` }];
  }
  return [{ path: [field, ...rest], message: issue.message }];
}

function insteadOf(key: string, kind: ReceiverKind): string {
  const names = [...Object.keys(kind.fields), ...kind.inFiles.map((name) => `${name}_file`), 'send_resolved'];
  const near = names.find((name) => slipsBetween(key.toLowerCase(), name) <= 2);
  return near === undefined ? `; expected one of ${names.join(', ')}` : `; did you mean ${near}?`;
}

function failed(path: readonly (string | number)[], message: string): ParsedTarget {
  return { problems: [{ path, message }] };
}
