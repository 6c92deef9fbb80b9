/** A service manager's notification socket, as far as a service can tell: Python has the Unix datagram sockets that Node lacks. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';

/** Prints each datagram as a line of JSON. What comes with it, such as a descriptor that says "handled", is closed by not being taken. */
const LISTENER = `
import json, socket, sys
name = sys.argv[1]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind('\\0' + name[1:] if name.startswith('@') else name)
print(json.dumps('listening'), flush=True)
while True:
    print(json.dumps(listener.recv(65536).decode()), flush=True)
`;

export class NotifySocket {
  /** As in NOTIFY_SOCKET. */
  readonly name: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'pulselane-notify-'));
  readonly #listener: ChildProcess;
  #printed = '';

  private constructor(isAbstract: boolean) {
    this.name = isAbstract ? `@${this.#folder}` : join(this.#folder, 'socket');
    this.#listener = spawn('/usr/bin/python3', ['-c', LISTENER, this.name], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#listener.stdout?.on('data', (chunk) => {
      this.#printed += chunk;
    });
  }

  static async open({ isAbstract = false } = {}): Promise<NotifySocket> {
    const socket = new NotifySocket(isAbstract);
    await eventually(() => socket.#printed.includes('\n'));
    return socket;
  }

  /** Each notification, as its assignments; the barriers that systemd-notify sends behind each are left out. */
  get received(): string[][] {
    const lines = this.#printed.split('\n').slice(1, -1);
    const all = lines.map((line) => (JSON.parse(line) as string).trim().split('\n'));
    return all.filter(([first]) => first !== 'BARRIER=1');
  }

  /** Resolves with the first notification that holds an assignment. */
  got(assignment: string): Promise<string[]> {
    return eventually(() => this.received.find((assignments) => assignments.includes(assignment)));
  }

  async close(): Promise<void> {
    this.#listener.kill('SIGKILL');
    if (this.#listener.exitCode === null && this.#listener.signalCode === null) await once(this.#listener, 'close');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
