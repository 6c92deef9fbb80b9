import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWith } from '../support/debian.ts';
import { blockOf, commandsOf, README, ROOT } from '../support/doc-pages.ts';
import { eventually } from '../support/eventually.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';
import { openShell, type Shell } from '../support/shell.ts';

const commands = commandsOf('test:shell');

/** The contract's own lines, which the README must hold as they stand. */
const CONTRACT = [
  'curl http://localhost:8080/telemetry | jq',
  'curl http://localhost:8080/telemetry/worker-1 | jq',
  "curl -s http://localhost:8080/workers | jq 'to_entries | map(select(.value.is_active)) | length'",
  "watch -n 1 'curl -s http://localhost:8080/telemetry/worker-1 | jq'",
];

let master: PulselaneProcess;
let agent: PulselaneProcess;
let shell: Shell;
let httpPort: number;

beforeAll(async () => {
  master = new PulselaneProcess(['master'], { GRPC_PORT: '127.0.0.1:0', HTTP_PORT: 'localhost:0', ALERTS: 'on' });
  httpPort = await portOf(master, 'http');
  agent = new PulselaneProcess(['agent', '--master', `127.0.0.1:${await portOf(master, 'grpc')}`, '--id', 'worker-1']);
  await master.logged(({ msg, worker }) => worker === 'worker-1' && /active/.test(msg));
  shell = openShell({ PULSELANE_URL: `http://localhost:${httpPort}` });
  await eventually(() => master.process.exitCode === null);
});

afterAll(async () => {
  await agent?.close();
  await master?.close();
  shell?.close();
});

const onPort = (command: string, port: number) => command.replaceAll('localhost:8080', `localhost:${port}`);
const onThisPort = (command: string) => onPort(command, httpPort);

test('the README holds the contract’s lines as they stand', () => {
  for (const line of CONTRACT) expect(README.text).toContain(line);
});

test.each(commands)('%s', async (command) => {
  const printed = await shell.run(onThisPort(command));
  expect(printed.trim()).not.toBe('');
  expect(printed).not.toContain('urn:pulselane:error');
  if (/\| jq$/.test(command) || command.endsWith('json')) JSON.parse(printed);
  if (/\/(telemetry|workers|events\?after)\b.*\| jq$/.test(command)) expect(printed).toContain('worker-1');
  if (/length'$/.test(command)) expect(printed.trim()).toBe('1');
});

test('what watch runs each second works', async () => {
  const inner = /watch -n 1 '(.*)'/.exec(CONTRACT[3] as string)?.[1] as string;
  expect(JSON.parse(await shell.run(onThisPort(inner)))).toMatchObject({ worker_id: 'worker-1', is_active: true });
});

test('tokens are created and used as docs/security.md says', async () => {
  for (const command of commandsOf('test:door:create')) await shell.run(command);
  const folder = (await shell.run('pwd')).trim();
  const locked = new PulselaneProcess(['master'], {
    GRPC_PORT: '127.0.0.1:0',
    HTTP_PORT: 'localhost:0',
    API_TOKENS_FILE: `${folder}/api-tokens`,
    WORKER_TOKENS_FILE: `${folder}/worker-tokens`,
  });
  try {
    const port = await portOf(locked, 'http');
    const grpcPort = await portOf(locked, 'grpc');
    const tokenFile = ['--token-file', `${folder}/worker-1.token`];
    const known = new PulselaneProcess([
      'agent',
      '--master',
      `127.0.0.1:${grpcPort}`,
      '--id',
      'worker-1',
      ...tokenFile,
    ]);
    try {
      await locked.logged(({ msg, worker }) => worker === 'worker-1' && /active/.test(msg));
      expect(await shell.run(`curl -s http://localhost:${port}/telemetry`)).toContain('token');
      const use = commandsOf('test:door:use');
      expect(use.length).toBeGreaterThan(0);
      for (const command of use) {
        const printed = await shell.run(
          onPort(command, port).replace('pulselane workers', `$& --url http://localhost:${port}`),
        );
        expect(printed).toContain('worker-1');
      }
    } finally {
      await known.close();
    }
  } finally {
    await locked.close();
  }
});

describeWith('openssl')('the TLS of docs/security.md', () => {
  test('its master, agent and question work together as they stand, but for names and ports', async () => {
    for (const command of commandsOf('test:door:create'))
      await shell.run(command).catch(() => 'made by the test above');
    const folder = (await shell.run('pwd')).trim();
    await shell.run(`sh ${ROOT}deploy/make-certificates.sh certs master localhost && cp certs/ca.crt ca.crt`);
    /** The arguments of a command of the page, with the files that the shell made. */
    const argumentsOf = (command: string) =>
      command
        .replace('pulselane ', '')
        .split(/[\s\\]+/)
        .filter((text) => text !== '')
        .map((text) =>
          /\.(crt|key|token)$|-tokens$/.test(text) && !text.startsWith('--') ? `${folder}/${text}` : text,
        );
    const served = argumentsOf(blockOf('test:door:tls-master', 'sh')).map((text) =>
      /^:\d+$/.test(text) ? 'localhost:0' : text,
    );
    const encrypted = new PulselaneProcess(served);
    try {
      const [grpc, http] = [await portOf(encrypted, 'grpc'), await portOf(encrypted, 'http')];
      const [report = '', ask = ''] = commandsOf('test:door:tls').map((line) =>
        line.replace('master.example:50051', `localhost:${grpc}`).replace('master.example:8080', `localhost:${http}`),
      );
      const reporting = new PulselaneProcess(argumentsOf(report));
      try {
        await encrypted.logged(({ msg, worker }) => worker === 'worker-1' && /active/.test(msg));
        expect(await shell.run(ask)).toContain('worker-1');
        // Without its token it is asked for one.
        await expect(shell.run(ask.replace(/ --token-file \S+/, ''))).rejects.toThrow(/token/);
      } finally {
        await reporting.close();
      }
    } finally {
      await encrypted.close();
    }
  });
});
