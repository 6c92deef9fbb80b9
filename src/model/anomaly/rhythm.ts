/**
 * Metrics that go up and down: how long a cycle takes, from one lower turn to the next. A turn counts when the level has moved back by a
 * good part of its range (a "directional change": Guillaume et al., "From the bird's eye to the microscope", 1997), so neither noise nor
 * what shape the cycle has matters. Only a rhythm that is regular can be an anomaly: others vary too much.
 */
import { Packed, pack, StateFloat, unpack } from './state.ts';

/** A turn: the metric has moved back by so many of its usual spreads, and so many of its usual steps. */
const TURN_SPREADS = 1.5;
const TURN_STEPS = 4;
/** A cycle is unusual if its length is so many times longer or shorter than usual … */
const LEAST_LOG = Math.log(1.5);
/** … and so many usual spreads away. */
const SPREADS = 4.5;
const LEAST_SPREAD = 0.05;
/** Spread of a rhythm of which nothing is known: far too much for an anomaly. */
const UNKNOWN_SPREAD = 3.99;
/** Share of a cycle in what is usual. */
const SHARE = 1 / 6;
/** A cycle moves what is usual as if it were at most so many spreads away. */
const CLIP = 2;
/** Votes of a cycle: at most, and of one that is as usual. */
const MOST_VOTES = 1;
const DISSENT = -1;
const LOG_UNITS = 256;
const SPREAD_UNITS = 512;

export interface Rhythm {
  /** Usual length of a cycle in samples, and how many times as long the last one was. */
  usual: number;
  ratio: number;
  /** What the sample says, in votes: 0 within a cycle. */
  vote: number;
}

/**
 * @param level of the last two samples, less the reference
 * @param scale one usual spread of the metric
 * @param step a usual step between two samples
 */
export function learnRhythm(
  floats: Float32Array,
  at: number,
  level: number,
  scale: number,
  step: number,
  isAnomaly: boolean,
  into: Rhythm,
): void {
  const back = Math.max(TURN_SPREADS * scale, TURN_STEPS * step);
  const turn = floats[at + StateFloat.turn] as number;
  const falls = unpack(floats, at, Packed.falls) === 1;
  const cycle = unpack(floats, at, Packed.cycle) + 1;
  into.vote = 0;
  pack(floats, at, Packed.cycle, cycle);
  if (falls) {
    if (level <= turn) floats[at + StateFloat.turn] = level;
    else if (level > turn + back) {
      floats[at + StateFloat.turn] = level;
      pack(floats, at, Packed.falls, 0);
      pack(floats, at, Packed.cycle, 0);
      learnCycle(floats, at, cycle, isAnomaly, into);
    }
  } else if (level >= turn) floats[at + StateFloat.turn] = level;
  else if (level < turn - back) {
    floats[at + StateFloat.turn] = level;
    pack(floats, at, Packed.falls, 1);
  }
}

function learnCycle(floats: Float32Array, at: number, samples: number, isAnomaly: boolean, into: Rhythm): void {
  const log = Math.log(samples);
  const usual = unpack(floats, at, Packed.cycleLog) / LOG_UNITS;
  if (usual === 0) {
    pack(floats, at, Packed.cycleLog, log * LOG_UNITS);
    pack(floats, at, Packed.cycleSpread, UNKNOWN_SPREAD * SPREAD_UNITS);
    return;
  }
  const spread = unpack(floats, at, Packed.cycleSpread) / SPREAD_UNITS;
  const away = log - usual;
  const needed = Math.max(LEAST_LOG, SPREADS * spread);
  into.usual = Math.exp(usual);
  into.ratio = Math.exp(away);
  into.vote = Math.abs(away) < needed ? DISSENT : Math.min(MOST_VOTES, Math.abs(away) / needed);
  if (isAnomaly) {
    // Its cycles are accepted when the spread has grown that far; those from before are usual, too.
    const needs = (1.1 * Math.abs(away)) / SPREADS;
    if (needs > spread) pack(floats, at, Packed.hasTwoRhythms, 1);
    pack(floats, at, Packed.cycleSpread, (spread + SHARE * Math.max(0, needs - spread)) * SPREAD_UNITS);
    return;
  }
  const most = CLIP * Math.max(spread, LEAST_SPREAD);
  const clipped = Math.min(Math.max(away, -most), most);
  const more = Math.abs(clipped) - spread;
  if (unpack(floats, at, Packed.hasTwoRhythms) === 1) {
    // Steps this small would be rounded away: a chance of a whole unit, by a number that varies from cycle to cycle.
    if (more < 0 && samples % 4 === 0) pack(floats, at, Packed.cycleSpread, spread * SPREAD_UNITS - 1);
    if (spread < LEAST_LOG / SPREADS) pack(floats, at, Packed.hasTwoRhythms, 0);
    return;
  }
  pack(floats, at, Packed.cycleLog, (usual + SHARE * clipped) * LOG_UNITS);
  pack(floats, at, Packed.cycleSpread, (spread + SHARE * more) * SPREAD_UNITS);
}
