/** Continues as another program, for a process that was started on an unsuitable Node. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Signals that ask a single process to end or to reload. */
const FORWARDED = /** @type {const} */ (['SIGTERM', 'SIGHUP', 'SIGINT']);

/**
 * Runs a program in place of this process: same process where Node can do that (22.15 or newer), else a child with the
 * same streams, signals and exit code, which ends when this process is killed (bin/launch.js watches for that).
 * @param {string} program
 * @param {readonly string[]} args
 */
export function become(program, args) {
  try {
    process.execve?.(program, [program, ...args], definedIn(process.env));
  } catch {
    // Not supported on this system: a child does the same, at the cost of a second process.
  }
  startChild(program, args);
}

/** @param {NodeJS.ProcessEnv} environment */
function definedIn(environment) {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 */
function startChild(program, args) {
  const env = { ...process.env, PULSELANE_PARENT_PID: String(process.pid) };
  const child = spawn(program, args, { stdio: 'inherit', env });
  const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the child as well; forwarding it would make it two, which means "stop at once".
      if (signal === 'SIGHUP') void hangUp(child);
      else if (signal !== 'SIGINT' || !onTerminal) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    process.stderr.write(`${program} could not be started: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    for (const forwarded of FORWARDED) process.removeAllListeners(forwarded);
    process.kill(process.pid, signal);
  });
}

/** How long a program may take before it handles SIGHUP. */
const LISTENS_WITHIN_MS = 2000;

/**
 * Forwards SIGHUP once the program handles it: before that, SIGHUP would end it.
 * @param {import('node:child_process').ChildProcess} child
 */
async function hangUp(child) {
  for (const endMs = performance.now() + LISTENS_WITHIN_MS; performance.now() < endMs && !takesHangUp(child.pid); ) {
    await delay(20);
  }
  child.kill('SIGHUP');
}

/** @param {number | undefined} pid */
function takesHangUp(pid) {
  try {
    const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
    // Bit n is signal n + 1, and SIGHUP is signal 1.
    return (BigInt(`0x${caught}`) & 1n) === 1n;
  } catch {
    // Without /proc this is unknown.
    return true;
  }
}
