/**
 * The alerts thread's part in anomalies, beside the cycle of rules: compares workers with their groups, counts anomalies in the fleet,
 * and tells lanes what is expected at this hour of the week.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { SeasonFigures } from '../../model/alerts-status.ts';
import { ANOMALY_SCORE } from '../../model/anomaly/scorer.ts';
import { type Directory, readWhileThere } from '../../reading/directory.ts';
import { scoreOf } from '../../reading/scores.ts';
import type { AnomalyFigures } from '../../store/master-figures.ts';
import type { Past } from '../past.ts';
import { PEERS_EVERY_MS, SEASONS_EVERY_MS, SEASONS_RETRY_MS } from './anomaly-limits.ts';
import { Peers } from './peers.ts';
import { type ExpectedValues, Seasons } from './seasons.ts';

export interface AnomalyWatchOptions {
  readonly directory: Directory;
  /** Undefined: history is off, so there is no seasonal baseline. */
  readonly past: Past | undefined;
  /** TIME_ZONE. */
  readonly timeZone: string;
  readonly clock: Clock;
  readonly onExpected: (workers: readonly ExpectedValues[]) => void;
  readonly onFigures: (figures: AnomalyFigures) => void;
  readonly log: (message: string) => void;
  /** A bug: the thread ends by it. */
  readonly onError: (error: unknown) => void;
}

export class AnomalyWatch {
  readonly #options: AnomalyWatchOptions;
  readonly #peers: Peers;
  readonly #seasons: Seasons | undefined;
  #peersTimer: Timer | undefined;
  #seasonsTimer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  #isAway = false;
  #told: AnomalyFigures = { scored: 0, anomalous: 0 };

  constructor(options: AnomalyWatchOptions) {
    const { directory, past, timeZone } = options;
    this.#options = options;
    this.#peers = new Peers(directory);
    this.#seasons = past && new Seasons(directory, past, timeZone);
    this.#look();
    this.#turnIn(SEASONS_EVERY_MS);
  }

  /** Undefined: history is off, so there is no seasonal baseline. */
  get seasons(): SeasonFigures | undefined {
    return this.#seasons?.figures;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#peersTimer?.cancel();
    this.#seasonsTimer?.cancel();
    await this.#running;
  }

  #look(): void {
    const { clock, onFigures, onError, directory } = this.#options;
    try {
      this.#peers.look();
      const figures = figuresOf(directory);
      if (figures.scored !== this.#told.scored || figures.anomalous !== this.#told.anomalous) onFigures(figures);
      this.#told = figures;
    } catch (error) {
      onError(error);
      return;
    }
    this.#peersTimer = clock.after(PEERS_EVERY_MS, () => this.#look());
  }

  #turnIn(ms: number): void {
    const seasons = this.#seasons;
    if (seasons === undefined || this.#isStopped) return;
    this.#seasonsTimer = this.#options.clock.after(ms, () => {
      this.#running = this.#turn(seasons);
    });
  }

  async #turn(seasons: Seasons): Promise<void> {
    const { clock, onExpected, log } = this.#options;
    try {
      const workers = await seasons.turn(clock.wallMs());
      if (workers.length > 0 && !this.#isStopped) onExpected(workers);
      if (this.#isAway) log('the values of hours can be read again, for what is expected at this hour of the week');
      this.#isAway = false;
      this.#turnIn(SEASONS_EVERY_MS);
    } catch (error) {
      if (!this.#isAway) log(`what is expected at this hour of the week is not known: ${messageOf(error)}`);
      this.#isAway = true;
      this.#turnIn(SEASONS_RETRY_MS);
    }
  }
}

/** Over active workers with a score. */
function figuresOf(directory: Directory): AnomalyFigures {
  const { board } = directory;
  let [scored, anomalous] = [0, 0];
  for (const entry of directory.all()) {
    if (!board.isActive(entry.row)) continue;
    const score = readWhileThere(board, entry, () => scoreOf(entry, board)?.score);
    if (score === undefined) continue;
    scored++;
    if (score >= ANOMALY_SCORE) anomalous++;
  }
  return { scored, anomalous };
}
