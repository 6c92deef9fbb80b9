/** A task in the file that outlives the agent: a JSON line with the line by which a program would report it, and what only the agent knows. */
import type { EndedTask, RunningTask } from '../../model/telemetry.ts';
import { lineOf, type TaskLine } from './line.ts';
import type { WatchedProcess } from './processes.ts';

export interface KeptTask {
  readonly task: RunningTask;
  readonly process: WatchedProcess | undefined;
  readonly keepMs: number;
  readonly heardAtUnixMs: number;
}

export function keptLine({ task, process, keepMs, heardAtUnixMs }: KeptTask): string {
  const line = {
    task: {
      task_id: task.taskId,
      status: task.status,
      progress: task.progress,
      cpu_allocated: task.cpuAllocated,
      memory_allocated: task.memoryAllocated,
      gpu_allocated: task.gpuAllocated,
      started_at_unix_ms: task.startedAtUnixMs,
      keep_seconds: keepMs / 1000,
      pid: process?.pid,
    },
  };
  return `${JSON.stringify({ line, process_started_at: process?.startedAt, heard_at_unix_ms: heardAtUnixMs })}\n`;
}

/** Of a task whose end no master knows. */
export function endLine(task: EndedTask): string {
  const line = {
    task: {
      task_id: task.taskId,
      status: task.outcome,
      started_at_unix_ms: task.startedAtUnixMs,
      exit_code: task.exitCode,
      cpu_seconds: task.cpuSeconds,
      max_rss_bytes: task.maxRssBytes,
    },
  };
  return `${JSON.stringify({ line, ended_at_unix_ms: task.endedAtUnixMs })}\n`;
}

export interface RestoredLine {
  readonly line: TaskLine;
  readonly processStartedAt: number | undefined;
  /** When it ended, if it has; otherwise when it was heard of last. */
  readonly atUnixMs: number;
}

/** Undefined if it is no such line. */
export function parseKeptLine(text: string): RestoredLine | undefined {
  try {
    const value = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const line = lineOf(value.line).task;
    const { process_started_at: startedAt, heard_at_unix_ms: heardAt, ended_at_unix_ms: endedAt } = value;
    const at = line?.outcome === undefined ? heardAt : endedAt;
    if (line === undefined || typeof at !== 'number') return undefined;
    return { line, processStartedAt: typeof startedAt === 'number' ? startedAt : undefined, atUnixMs: at };
  } catch {
    return undefined;
  }
}
