/**
 * The standard health service (grpc.health.v1). Its package's own implementation keeps a list for every watched name for
 * ever, and keeps writing to watchers that do not read. Here both are bounded.
 */
import type {
  ServerWritableStream,
  ServiceDefinition,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { service } from 'grpc-health-check';
import { MAX_PEER_WATCHES, MAX_WATCHES } from '../config/call-limits.ts';
import type { Refusals } from '../engine/refusals.ts';
import { addressOf } from './call-guard.ts';
import { withSmallRequests } from './calls.ts';
import type { Peer, Peers } from './peers.ts';

export type Health = 'SERVING' | 'NOT_SERVING';

interface Question {
  readonly service: string;
}

type WatchCall = ServerWritableStream<Question, { status: Health | 'SERVICE_UNKNOWN' }>;

export interface HealthServiceOptions {
  /** Service names whose health can be queried. */
  readonly names: readonly string[];
  readonly peers: Peers;
  readonly refusals: Refusals;
}

export class HealthService {
  readonly definition: ServiceDefinition = withSmallRequests(service);
  readonly #options: HealthServiceOptions;
  readonly #watches = new Map<WatchCall, Peer>();
  #health: Health = 'SERVING';

  constructor(options: HealthServiceOptions) {
    this.#options = options;
  }

  /** Sets the health of every name and notifies watchers. */
  set(health: Health): void {
    if (health === this.#health) return;
    this.#health = health;
    for (const call of this.#watches.keys()) {
      if (!this.#knows(call.request.service)) continue;
      this.#tell(call);
    }
  }

  /** How many watches are open. */
  get watches(): number {
    return this.#watches.size;
  }

  get implementation(): UntypedServiceImplementation {
    return {
      Check: ({ request }: { request: Question }, callback: sendUnaryData<{ status: Health }>) => {
        if (this.#knows(request.service)) callback(null, { status: this.#health });
        else callback({ code: status.NOT_FOUND, details: 'unknown service name' });
      },
      List: (_call: unknown, callback: sendUnaryData<{ statuses: Record<string, { status: Health }> }>) => {
        const { names } = this.#options;
        callback(null, { statuses: Object.fromEntries(names.map((name) => [name, { status: this.#health }])) });
      },
      Watch: (call: WatchCall) => this.#watch(call),
    };
  }

  #watch(call: WatchCall): void {
    const { peers, refusals } = this.#options;
    const peer = peers.of(addressOf(call.getPeer()));
    if (this.#watches.size >= MAX_WATCHES || peer.watches >= MAX_PEER_WATCHES) {
      refusals.count('watches');
      call.emit('error', {
        code: status.RESOURCE_EXHAUSTED,
        details: `too many health watches: at most ${MAX_PEER_WATCHES} per address`,
      });
      return;
    }
    this.#watches.set(call, peer);
    peer.watches++;
    const over = () => {
      if (this.#watches.delete(call)) peer.watches--;
    };
    for (const event of ['cancelled', 'close', 'error', 'finish']) call.once(event, over);
    this.#tell(call);
  }

  /** Writes one message at a time: a slow watcher gets the newest health once it has read the last message. */
  #tell(call: WatchCall): void {
    if (call.writableLength > 0) return;
    const sent = this.#healthOf(call);
    call.write({ status: sent }, () => {
      if (this.#watches.has(call) && this.#healthOf(call) !== sent) this.#tell(call);
    });
  }

  #healthOf({ request }: WatchCall): Health | 'SERVICE_UNKNOWN' {
    return this.#knows(request.service) ? this.#health : 'SERVICE_UNKNOWN';
  }

  #knows(name: string): boolean {
    return this.#options.names.includes(name);
  }
}
