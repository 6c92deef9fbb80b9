import { afterEach, describe, expect, test } from 'vitest';
import { Screen } from '../../src/cli/prompt/screen.ts';
import { PromptSession } from '../../src/cli/prompt/session.ts';
import { createReadableLogger } from '../../src/lib/readable-logging.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { type TerminalSize, terminalStreams } from '../support/terminal.ts';
import { addWorker, type PromptMaster, startPromptMaster, stopPromptMasters } from './prompt-context.ts';

const sessions: PromptSession[] = [];
afterEach(async () => {
  for (const session of sessions.splice(0)) session.close();
  await stopPromptMasters();
});

interface SessionSetup {
  readonly size?: TerminalSize;
  readonly history?: readonly string[];
  readonly master?: PromptMaster;
  readonly isOwnTerminal?: boolean;
  /** Workers that would be without a master. */
  readonly connected?: number;
}

async function startSession({ size, history = [], master, isOwnTerminal = true, connected = 0 }: SessionSetup = {}) {
  const { terminal, stdin, stdout, written } = terminalStreams(size);
  const screen = new Screen(stdout);
  const logger = createReadableLogger({ level: 'info', destination: screen.asWritable() });
  const clock = new FakeClock();
  const exits: string[] = [];
  const { context } = master ?? (await startPromptMaster());
  const session = new PromptSession({
    input: stdin,
    screen,
    context,
    history,
    clock,
    logger,
    connectedWorkers: () => connected,
    isOwnTerminal,
    onExit: () => exits.push('exit'),
  });
  sessions.push(session);
  session.start();
  await terminal.endsWith('master>');
  return { terminal, stdin, screen, logger, clock, exits, session, written };
}

const KEY = { tab: '\t', up: '\x1b[A', left: '\x1b[D', enter: '\r', ctrlC: '\x03', ctrlD: '\x04', ctrlU: '\x15' };

describe('at the prompt', () => {
  test('a typed line is run and the prompt comes back', async () => {
    const { terminal, stdin } = await startSession();
    stdin.write(`workers${KEY.enter}`);
    await terminal.shows('master> workers\nNo worker is known yet.');
    await terminal.endsWith('master>');
  });

  test('tab completes a command and a worker id with spaces', async () => {
    const master = await startPromptMaster();
    await addWorker(master, 'my worker');
    const { terminal, stdin } = await startSession({ master });
    stdin.write('sta');
    await terminal.endsWith('master> sta');
    stdin.write('tu');
    stdin.write(KEY.tab);
    await terminal.until(() => terminal.beforeCursor === 'master> status ', 'the command, completed');
    stdin.write('m');
    stdin.write(KEY.tab);
    await terminal.endsWith('master> status "my worker"');
    stdin.write(KEY.enter);
    await terminal.shows(/worker {10}my worker\nstate {11}active/);
  });

  test('the arrow brings back earlier lines, also those of an earlier session', async () => {
    const { terminal, stdin, session } = await startSession({ history: ['internal-state', 'help'] });
    stdin.write(KEY.up);
    await terminal.endsWith('master> internal-state');
    stdin.write(`${KEY.ctrlU}status${KEY.enter}`);
    await terminal.shows('mean usage');
    await terminal.endsWith('master>');
    stdin.write(KEY.up);
    await terminal.endsWith('master> status');
    expect(session.history).toEqual(['status', 'internal-state', 'help']);
  });

  test('lines pasted at once run one after the other, each below its own prompt', async () => {
    const { terminal, stdin } = await startSession();
    stdin.write('help exit\nwor kers\r\nhelp quit\n');
    await terminal.shows(
      [
        'master> help exit',
        'exit: stop the master; asks once while workers are connected (also: quit)',
        'master> wor kers',
        'unknown command "wor"; did you mean "workers"?',
        'master> help quit',
        'exit: stop the master; asks once while workers are connected (also: quit)',
        'master>',
      ].join('\n'),
    );
  });
});

describe('a log line', () => {
  test('goes above what is being typed, and the cursor stays where it was', async () => {
    const { terminal, stdin, logger } = await startSession();
    stdin.write(`status abc${KEY.left}${KEY.left}`);
    await terminal.until(() => terminal.beforeCursor === 'master> status a', 'the cursor behind the a');
    logger.info({ worker: 'w' }, 'worker is active');
    logger.warn('worker is inactive');
    await terminal.shows(/INFO: worker is active \{"worker":"w"\}\n.*WARN: worker is inactive\nmaster> status abc$/);
    await terminal.until(() => terminal.beforeCursor === 'master> status a', 'the cursor behind the a');
    stdin.write(`X${KEY.enter}`);
    await terminal.shows('no worker is called aXbc');
  });

  test('does not tear a text that reaches over several rows', async () => {
    const { terminal, stdin, logger } = await startSession({ size: { columns: 20, rows: 10 } });
    const typed = `help ${'日本'.repeat(10)}`;
    stdin.write(typed);
    await terminal.until(() => terminal.text.replaceAll('\n', '').includes(typed), typed);
    const before = terminal.text;
    expect(before.split('\n').length).toBeGreaterThan(2);
    for (let line = 0; line < 12; line++) logger.info(`n${line}`);
    await terminal.until(() => terminal.text.includes('n11') && terminal.text.endsWith(`\n${before}`), typed);
    expect(terminal.text.match(/INFO/g)).toHaveLength(12);
    expect(terminal.text.match(/master>/g)).toHaveLength(1);
  });

  test('that comes while a command runs is followed by the prompt', async () => {
    const master = await startPromptMaster();
    const introduced = Promise.withResolvers<{ accepted: false; reason: string }>();
    master.introduction = introduced.promise;
    const { terminal, stdin, logger } = await startSession({ master });
    stdin.write(`register a 10.0.0.9:1${KEY.enter}`);
    await terminal.endsWith('master> register a 10.0.0.9:1');
    stdin.write('help ex');
    logger.info('meanwhile');
    await terminal.shows(/10\.0\.0\.9:1\n.*INFO: meanwhile$/);
    introduced.resolve({ accepted: false, reason: 'bell\x07 and \x1b[2J' });
    await terminal.shows('bell\\x07 and \\x1b[2J');
    // What was typed meanwhile was kept, not echoed into the output.
    await terminal.endsWith('master> help ex');
  });

  test('cannot move the cursor', async () => {
    const { terminal, screen, written } = await startSession();
    screen.asWritable().write('\u009b2J\x1b[31m done\n');
    await terminal.shows('\\x9b2J\\x1b[31m done\nmaster>');
    expect(written()).not.toContain('\u009b');
  });
});

describe('the live view', () => {
  test('is drawn in place until a key is pressed, which is not typed', async () => {
    const master = await startPromptMaster();
    await addWorker(master, 'node-a', 50);
    const { terminal, stdin, clock, logger } = await startSession({ master });
    stdin.write(`stats node-a${KEY.enter}`);
    await terminal.shows(/CPU .* 50\.0%/);
    await addWorker(master, 'node-a', 75);
    clock.advance(1000);
    await terminal.shows(/CPU .* 75\.0%/);
    logger.info('between frames');
    await terminal.shows(/INFO: between frames\nnode-a/);
    expect(terminal.text.match(/CPU /g)).toHaveLength(1);
    master.manager.unregisterWorker('node-a');
    clock.advance(1000);
    await terminal.shows('is not known any more');
    expect(terminal.text).not.toContain('CPU');
    stdin.write('q');
    await terminal.endsWith('master>');
    expect(clock.pending).toBe(0);
    stdin.write('help exit\r');
    await terminal.shows('exit: stop the master;');
  });
});

describe('somebody leaves', () => {
  test.each([
    ['exit', `exit${KEY.enter}`],
    ['quit', `quit${KEY.enter}`],
    ['exit!', `exit!${KEY.enter}`],
    ['quit!', `quit!${KEY.enter}`],
    ['Ctrl-D', KEY.ctrlD],
    ['Ctrl-C on an empty line', KEY.ctrlC],
  ])('by %s: once, and no prompt is left behind', async (_name, keys) => {
    const { terminal, stdin, screen, exits } = await startSession();
    stdin.write(keys);
    await terminal.until(() => exits.length > 0, 'the wish to exit');
    screen.print('stopping…');
    await terminal.endsWith('stopping…');
    expect(terminal.text).not.toMatch(/master>\s*\n?stopping/);
    expect(exits).toEqual(['exit']);
  });

  const QUESTION = /2 workers are connected\. (Type|Press) \S+ again to stop the master \(exit!: at once\)\./;

  test.each([
    ['exit', `exit${KEY.enter}`],
    ['Ctrl-D', KEY.ctrlD],
    ['Ctrl-C on an empty line', KEY.ctrlC],
  ])('by %s only when it is meant, where workers are connected', async (_name, keys) => {
    const { terminal, stdin, exits } = await startSession({ connected: 2 });
    stdin.write(keys);
    await terminal.shows(QUESTION);
    await terminal.endsWith('master>');
    // Anything else takes the question back.
    stdin.write(`help exit${KEY.enter}`);
    await terminal.shows('The exit is cancelled.');
    await terminal.shows('exit: stop the master;');
    await terminal.endsWith('master>');
    stdin.write(keys);
    await terminal.until(() => terminal.text.match(new RegExp(QUESTION, 'g'))?.length === 2, 'the second question');
    await terminal.endsWith('master>');
    expect(exits).toEqual([]);
    stdin.write(keys);
    await terminal.until(() => exits.length === 1, 'the wish to exit');
  });

  test('by exit! without being asked, however many workers are connected', async () => {
    const { terminal, stdin, exits } = await startSession({ connected: 2 });
    stdin.write(`exit!${KEY.enter}`);
    await terminal.until(() => exits.length === 1, 'the wish to exit');
    expect(terminal.text).not.toMatch(QUESTION);
  });

  test('the prompt, and not the master, by Ctrl-D where a shell started it', async () => {
    const { terminal, stdin, exits, logger, screen } = await startSession({ isOwnTerminal: false, connected: 2 });
    stdin.write(`help exit${KEY.enter}`);
    await terminal.shows('exit: stop the master;');
    await terminal.endsWith('master>');
    stdin.write(KEY.ctrlD);
    await terminal.until(() => terminal.text.includes('The prompt is closed; the master goes on.'), 'what it means');
    expect(terminal.text).toContain(`End it with Ctrl-C or kill ${process.pid}.`);
    stdin.write(`exit${KEY.enter}`);
    logger.info('a worker is active');
    screen.print('the last line');
    await terminal.endsWith('the last line');
    expect(exits).toEqual([]);
  });

  test('Ctrl-D in a line that is not empty deletes, and a pasted one is taken in its place', async () => {
    const { terminal, stdin, exits } = await startSession();
    stdin.write(`help exitx${KEY.left}`);
    await terminal.endsWith('master> help exitx');
    stdin.write(KEY.ctrlD);
    await terminal.endsWith('master> help exit');
    stdin.write(`${KEY.enter}workers${KEY.enter}${KEY.ctrlD}`);
    await terminal.until(() => exits.length === 1, 'the wish to exit');
    await terminal.shows('No worker is known yet.');
  });

  test('not by Ctrl-C while something is typed: that clears the line', async () => {
    const { terminal, stdin, exits } = await startSession();
    stdin.write(`status x${KEY.left}`);
    await terminal.endsWith('master> status x');
    stdin.write(KEY.ctrlC);
    await terminal.endsWith('master>');
    expect(exits).toEqual([]);
  });

  test('by Ctrl-C while a command hangs', async () => {
    const master = await startPromptMaster();
    master.introduction = new Promise(() => {});
    const { terminal, stdin, exits } = await startSession({ master });
    stdin.write(`register a 10.0.0.9:1${KEY.enter}`);
    await terminal.endsWith('master> register a 10.0.0.9:1');
    stdin.write(KEY.ctrlC);
    await terminal.until(() => exits.length === 1, 'the wish to exit');
  });

  test('by closing the terminal', async () => {
    const { terminal, stdin, exits } = await startSession();
    stdin.end();
    await terminal.until(() => exits.length === 1, 'the wish to exit');
  });
});
