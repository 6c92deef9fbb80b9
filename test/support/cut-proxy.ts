/**
 * A network that can go black, between workers and a master: no FIN and no RST, nothing comes through in either
 * direction, and who connects anew waits. When it comes back, what was sent meanwhile arrives late, as TCP has it.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly worker: Socket;
  /** Undefined until the network has once been there for this worker. */
  master: Socket | undefined;
}

export class CutProxy {
  readonly #masterPort: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #isCut = false;

  private constructor(masterPort: number) {
    this.#masterPort = masterPort;
    // A FIN is passed on as what it is: the other direction may still have something to say.
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (worker) => this.#accept(worker));
  }

  static async start(masterPort: number): Promise<CutProxy> {
    const proxy = new CutProxy(masterPort);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** Where workers connect. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections of workers that are open. */
  get connections(): number {
    return this.#pairs.size;
  }

  cut(): void {
    this.#isCut = true;
    for (const { worker, master } of this.#pairs) {
      if (master === undefined) continue;
      worker.unpipe(master).pause();
      master.unpipe(worker).pause();
    }
  }

  restore(): void {
    if (!this.#isCut) return;
    this.#isCut = false;
    for (const pair of this.#pairs) {
      if (pair.worker.destroyed || pair.master?.destroyed) this.#end(pair);
      else this.#join(pair);
    }
  }

  /** Cuts every connection for good; the ports are free after it. */
  async close(): Promise<void> {
    this.#isCut = false;
    for (const { worker, master } of this.#pairs) {
      worker.destroy();
      master?.destroy();
    }
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #accept(worker: Socket): void {
    const pair: Pair = { worker, master: undefined };
    this.#pairs.add(pair);
    worker.setNoDelay(true);
    const end = () => this.#end(pair);
    worker.on('error', end);
    worker.on('close', end);
    if (!this.#isCut) this.#join(pair);
  }

  #join(pair: Pair): void {
    const { worker } = pair;
    pair.master ??= this.#dial(pair);
    worker.pipe(pair.master);
    pair.master.pipe(worker);
  }

  #dial(pair: Pair): Socket {
    const master = connect({ port: this.#masterPort, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const end = () => this.#end(pair);
    master.on('error', end);
    master.on('close', end);
    return master;
  }

  /** One side is gone: so is the other, once it can hear of it. */
  #end(pair: Pair): void {
    if (this.#isCut) return;
    this.#pairs.delete(pair);
    pair.worker.destroy();
    pair.master?.destroy();
  }
}
