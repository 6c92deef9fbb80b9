/** What was refused and why, counted in one place: `GET /api/v1/limits` shows it. */

/** One word for each reason; each is one row of a table in this folder, or a limit of `limits.ts`. */
export const REFUSAL_REASONS = [
  'host',
  'origin',
  'unauthenticated',
  'guesses',
  'permission',
  'rate',
  'body',
  'connections',
  'connections_per_peer',
  'handshake',
  'live_clients',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

export class Refusals {
  readonly #counts = new Map<RefusalReason, number>();

  count(reason: RefusalReason): void {
    this.#counts.set(reason, this.of(reason) + 1);
  }

  /** How often since this thread began. */
  of(reason: RefusalReason): number {
    return this.#counts.get(reason) ?? 0;
  }
}
