/**
 * The addresses that connections come from, each with what is limited by address: its connections, its heartbeats, and its
 * other calls.
 * Known while it has a connection, or has sent so much of late that a new connection must not begin anew.
 */
import type { Clock, Timer } from '../lib/clock.ts';
import { networkOf } from '../lib/networks.ts';
import { afterArrival, NEVER_MS, type RateLimit } from '../model/heartbeat-rate.ts';

export interface Peer {
  /** An IPv4 address, or a /64 network of IPv6: there, one machine has all of its network's addresses. */
  readonly name: string;
  connections: number;
  /** Health watches that are open. */
  watches: number;
  /** When its next heartbeat is due at the most that it may send, in monotonic time. */
  dueMs: number;
  /** The same of its next other call. */
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
  /** Those without a connection. */
  readonly #idle = new Set<Peer>();
  readonly #timer: Timer;

  /** @param rates of one peer */
  constructor(clock: Clock, rates: PeerCallRates) {
    this.#clock = clock;
    this.#rates = rates;
    this.#timer = clock.every(CLEAN_EVERY_MS, () => this.#clean());
  }

  get size(): number {
    return this.#peers.size;
  }

  /** @param address as of a socket */
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

  /** It sends a heartbeat. @returns whether it may */
  mayBeat(peer: Peer): boolean {
    if (this.#rates.heartbeats === undefined) return true;
    const dueMs = afterArrival(peer.dueMs, this.#clock.monotonicMs(), this.#rates.heartbeats);
    if (dueMs === undefined) return false;
    peer.dueMs = dueMs;
    return true;
  }

  /** It makes another call, which counts as so many. @returns whether it may */
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
