/**
 * The addresses of clients, each with what is limited per address: connections, heartbeats and other calls. An address is
 * kept while it has a connection, and afterwards until its rate limits have recovered, so that reconnecting does not reset them.
 */
import type { Clock, Timer } from '../lib/clock.ts';
import { networkOf } from '../lib/networks.ts';
import { afterArrival, NEVER_MS, type RateLimit } from '../model/heartbeat-rate.ts';

export interface Peer {
  /** An IPv4 address, or an IPv6 /64 network: one machine usually owns all addresses of its /64. */
  readonly name: string;
  connections: number;
  /** Open health watches. */
  watches: number;
  /** When its next heartbeat is due at the maximum rate, in monotonic time. */
  dueMs: number;
  /** The same for its other calls. */
  callDueMs: number;
}

export interface PeerCallRates {
  /** Undefined: no limit. */
  readonly heartbeats: RateLimit | undefined;
  readonly calls: RateLimit | undefined;
}

const CLEAN_EVERY_MS = 1000;

export class Peers {
  readonly #clock: Clock;
  readonly #rates: PeerCallRates;
  readonly #peers = new Map<string, Peer>();
  /** Peers without a connection. */
  readonly #idle = new Set<Peer>();
  readonly #timer: Timer;

  /** @param rates the limits of each peer */
  constructor(clock: Clock, rates: PeerCallRates) {
    this.#clock = clock;
    this.#rates = rates;
    this.#timer = clock.every(CLEAN_EVERY_MS, () => this.#clean());
  }

  get size(): number {
    return this.#peers.size;
  }

  /** @param address a socket's remote address */
  of(address: string): Peer {
    const name = networkOf(address);
    const known = this.#peers.get(name);
    if (known !== undefined) return known;
    const peer: Peer = { name, connections: 0, watches: 0, dueMs: NEVER_MS, callDueMs: NEVER_MS };
    this.#peers.set(name, peer);
    this.#idle.add(peer);
    return peer;
  }

  connected(peer: Peer): void {
    peer.connections++;
    this.#idle.delete(peer);
    this.#peers.set(peer.name, peer);
  }

  disconnected(peer: Peer): void {
    if (--peer.connections === 0) this.#idle.add(peer);
  }

  /** Counts a heartbeat. @returns whether it is within the rate */
  mayBeat(peer: Peer): boolean {
    if (this.#rates.heartbeats === undefined) return true;
    const dueMs = afterArrival(peer.dueMs, this.#clock.monotonicMs(), this.#rates.heartbeats);
    if (dueMs === undefined) return false;
    peer.dueMs = dueMs;
    return true;
  }

  /** Counts another call with the given weight. @returns whether it is within the rate */
  mayCall(peer: Peer, weight = 1): boolean {
    if (this.#rates.calls === undefined) return true;
    const callDueMs = afterArrival(peer.callDueMs, this.#clock.monotonicMs(), this.#rates.calls, weight);
    if (callDueMs === undefined) return false;
    peer.callDueMs = callDueMs;
    return true;
  }

  stop(): void {
    this.#timer.cancel();
  }

  #clean(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const peer of this.#idle) {
      if (peer.dueMs > nowMs || peer.callDueMs > nowMs) continue;
      this.#idle.delete(peer);
      this.#peers.delete(peer.name);
    }
  }
}
