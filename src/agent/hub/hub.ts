/**
 * The machine's hub: a Unix socket, and a loopback port if asked for, by which programs of this machine report tasks and metrics,
 * which the agent's heartbeats then have.
 *
 *     socket ──┐          ┌─ `{` ──► LineConnection ──┐
 *              ├─ first ──┤                           ├──► HubState ──► tasks, metrics ──► heartbeat
 *     port ────┘   byte   └─ A–Z ──► HubHttp ─────────┘
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type Address, formatAddress } from '../../config/kinds.ts';
import { nameOf, type SettingNames, settingText } from '../../config/setting-names.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { portTakenText } from '../../lib/local-ports.ts';
import type { EndedTask } from '../../model/telemetry.ts';
import type { Report } from '../report.ts';
import { HubHttp } from './http.ts';
import { type ConnectionRefusal, HubState } from './hub-state.ts';
import { KeptTasks, type UntoldEnds } from './kept-tasks.ts';
import { FIRST_BYTE_WITHIN_MS, HUB_LIMITS, SWEEP_EVERY_MS } from './limits.ts';
import { LineConnection } from './line-connection.ts';
import { LineRate } from './line-rate.ts';
import { systemProcesses } from './processes.ts';
import { SocketFile, SocketRefused } from './socket-file.ts';

/** Plain data, since it travels to the agent's thread. */
export interface HubSettings {
  /** Paths in the order in which they are tried; empty: no socket. */
  readonly sockets: readonly string[];
  /** A user named the path: that it cannot be had is an error. */
  readonly mustHaveSocket: boolean;
  readonly local: Address | undefined;
}

export interface HubParts {
  readonly settings: HubSettings;
  readonly names?: SettingNames | undefined;
  readonly clock: Clock;
  readonly report: Report;
  readonly onEnded: (task: EndedTask) => void;
  readonly untold: UntoldEnds;
  /** What the agent has to say of itself at `GET /v1/status`. */
  readonly status: () => object;
}

export class Hub {
  readonly state: HubState;
  readonly #options: HubParts;
  readonly #rate: LineRate;
  readonly #http: HubHttp;
  readonly #sockets = new Set<Socket>();
  /** How many of them came by the port. */
  #portConnections = 0;
  readonly #lines = new Set<LineConnection>();
  #file: SocketFile | undefined;
  #fileServer: Server | undefined;
  #keptTasks: KeptTasks | undefined;
  #portServer: Server | undefined;
  #sweep: Timer | undefined;
  /** Where the socket was before it was removed, until it can be created again. */
  #lostPath: string | undefined;
  #looking: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: HubParts) {
    const { clock, onEnded, status } = options;
    this.#options = options;
    this.state = new HubState({
      clock,
      processes: systemProcesses,
      onEnded: (task) => {
        onEnded(task);
        this.#keptTasks?.ended();
      },
    });
    this.#rate = new LineRate(clock, { perS: HUB_LIMITS.linesPerS, atOnce: HUB_LIMITS.linesAtOnce });
    this.#http = new HubHttp({
      state: this.state,
      clock,
      rate: this.#rate,
      status: () => ({ ...status(), connections: this.#sockets.size }),
    });
  }

  /** @throws PulselaneError `environment` if a socket or port that a user named cannot be had */
  async start(): Promise<void> {
    await this.#openSocket();
    await this.#openPort();
    // Stopped while it started.
    if (this.#isStopped) {
      await this.stop();
      return;
    }
    this.#sweep = this.#options.clock.every(SWEEP_EVERY_MS, () => {
      this.state.sweep();
      if (this.#file !== undefined) this.#keptTasks?.saveSoon();
      this.#looking ??= this.#lookAtFile().finally(() => {
        this.#looking = undefined;
      });
    });
  }

  /** What runs on this machine goes on, and tells the next agent: nothing vanishes because this one stops. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#sweep?.cancel();
    for (const connection of this.#lines) connection.abandon();
    this.#portServer?.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#http.close();
    // It may be about to create the socket again.
    await this.#looking;
    this.#fileServer?.close();
    this.#keptTasks?.stop();
    if (this.#file !== undefined) await this.#keptTasks?.saveNow();
    await this.#file?.remove();
  }

  async #openSocket(): Promise<void> {
    const { settings, names, report } = this.#options;
    const reasons: string[] = [];
    for (const path of settings.sockets) {
      try {
        await this.#listenAt(path);
        this.#keptTasks = this.#makeKeptTasks(path);
        await this.#keptTasks.load();
        report('info', `programs of this machine report to ${path}`);
        return;
      } catch (error) {
        if (!(error instanceof SocketRefused)) throw error;
        if (settings.mustHaveSocket) {
          throw new PulselaneError('environment', `${settingText(names, 'PULSELANE_SOCKET', path)}: ${error.message}`);
        }
        if (error.reason === 'no_directory' || error.reason === 'not_permitted') {
          reasons.push(`${path}: ${error.message}`);
          continue;
        }
        report('warn', `programs of this machine cannot report to this agent: ${path}: ${error.message}`);
        return;
      }
    }
    if (reasons.length === 0) return;
    const other = `${nameOf(names, 'PULSELANE_SOCKET')} names another path`;
    report('info', `there is no socket for programs of this machine: ${reasons.join('; ')}; ${other}`);
  }

  async #listenAt(path: string): Promise<void> {
    const server = this.#serverFor(false);
    this.#file = await SocketFile.listen(server, path, this.#options.clock);
    this.#fileServer = server;
  }

  async #openPort(): Promise<void> {
    const { settings, names } = this.#options;
    const { local } = settings;
    if (local === undefined) return;
    const server = this.#serverFor(true);
    server.listen(local.port, local.host);
    try {
      await once(server, 'listening');
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
      const reason = isTaken ? portTakenText(local.port) : `cannot listen there: ${messageOf(error)}`;
      const setting = settingText(names, 'AGENT_LOCAL', formatAddress(local));
      throw new PulselaneError('environment', `${setting}: ${reason}`);
    }
    this.#portServer = server;
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : local.port;
    this.#options.report('info', `programs of this machine report to ${formatAddress({ host: local.host, port })}`);
  }

  #serverFor(isPort: boolean): Server {
    // A client that has said all, and ended its side, is still answered.
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket, isPort));
    // Too many open files, for example: a connection is lost, and the server goes on.
    server.on('error', () => {});
    return server;
  }

  #makeKeptTasks(socket: string): KeptTasks {
    const { clock, report, untold } = this.#options;
    return new KeptTasks({
      socket,
      tasks: this.state.tasks,
      untold,
      isOurs: async () => (await this.#file?.look()) === 'ours',
      clock,
      report,
    });
  }

  /** Whether the socket is still there: it may have been removed, or taken by another agent. Never rejects. */
  async #lookAtFile(): Promise<void> {
    const found = await this.#file?.look();
    if (found === 'ours' || this.#isStopped) return;
    if (this.#file !== undefined) {
      const { path } = this.#file;
      // Who is connected stays so.
      this.#fileServer?.close();
      this.#file = undefined;
      if (found === 'foreign') this.#leaveTo(path);
      else if (await this.#createAgain(path, true)) return;
      else this.#lostPath = path;
    } else if (this.#lostPath !== undefined) {
      await this.#createAgain(this.#lostPath, false);
    }
  }

  /** @returns false if it has to be tried again */
  async #createAgain(path: string, isFirst: boolean): Promise<boolean> {
    const { report } = this.#options;
    try {
      await this.#listenAt(path);
      this.#keptTasks?.lost();
      report('warn', `${path} was removed; created it again`);
    } catch (error) {
      if (error instanceof SocketRefused && error.reason === 'in_use') {
        this.#leaveTo(path);
        return true;
      }
      if (isFirst) report('warn', `${path} was removed and cannot be created again yet: ${messageOf(error)}`);
      return false;
    }
    this.#lostPath = undefined;
    return true;
  }

  /** The other agent has read the file, and reports the kept tasks from now on. */
  #leaveTo(path: string): void {
    this.#lostPath = undefined;
    this.#keptTasks?.stop();
    this.#keptTasks = undefined;
    this.state.tasks.forgetKept();
    this.#options.report('warn', `programs of this machine now report to another agent, which has taken ${path}`);
  }

  #accept(socket: Socket, isPort: boolean): void {
    // A client that goes away while it is answered is none of our errors.
    socket.on('error', () => {});
    const most = isPort ? HUB_LIMITS.portConnections : HUB_LIMITS.connections;
    const there = isPort ? this.#portConnections : this.#sockets.size - this.#portConnections;
    if (there >= most) {
      this.state.count('too_many_connections');
      refuse(
        socket,
        'too_many_connections',
        `there are ${most} connections${isPort ? ' on this port' : ''}, which is the limit`,
      );
      return;
    }
    this.#sockets.add(socket);
    if (isPort) this.#portConnections++;
    const { clock } = this.#options;
    const silence = clock.after(FIRST_BYTE_WITHIN_MS, () => {
      this.state.count('silent');
      refuse(socket, 'silent', `nothing was said for ${FIRST_BYTE_WITHIN_MS / 1000} s; expected JSON lines, or HTTP`);
    });
    socket.once('close', () => {
      silence.cancel();
      this.#sockets.delete(socket);
      if (isPort) this.#portConnections--;
    });
    const endEmpty = () => socket.end();
    socket.once('end', endEmpty);
    socket.once('data', (chunk: Buffer) => {
      socket.off('end', endEmpty);
      silence.cancel();
      socket.pause();
      socket.unshift(chunk);
      this.#serve(socket, isPort, chunk[0] as number);
    });
  }

  #serve(socket: Socket, isPort: boolean, firstByte: number): void {
    if (isUpperCase(firstByte)) {
      this.#http.serve(socket, isPort);
    } else if (mayBeginLine(firstByte)) {
      const { clock } = this.#options;
      const connection = new LineConnection({ socket, state: this.state, clock, rate: this.#rate });
      this.#lines.add(connection);
      socket.once('close', () => this.#lines.delete(connection));
    } else {
      this.state.count('not_a_protocol');
      refuse(
        socket,
        'not_a_protocol',
        'this is neither JSON nor HTTP; expected lines such as {"metrics":{"name":1}}, or an HTTP request',
      );
      return;
    }
    socket.resume();
  }
}

function refuse(socket: Socket, reason: ConnectionRefusal, error: string): void {
  socket.on('error', () => {});
  // What it has said is not read; without that the answer might be lost with it.
  socket.resume();
  socket.end(`${JSON.stringify({ error, reason })}\n`);
  socket.destroySoon();
}

/** HTTP's methods. */
function isUpperCase(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

/** Any ASCII that may be meant as JSON, so that the error tells what is wrong with it. */
function mayBeginLine(byte: number): boolean {
  return byte === 0x09 || byte === 0x0a || byte === 0x0d || (byte >= 0x20 && byte < 0x7f);
}
