/**
 * Whether a worker flaps, that is, keeps changing its state. Time is divided into steps; a step counts as changed if
 * the state changed in it. The last 21 states have 20 changes, newer ones weighted higher, from 0.8 to 1.2: the
 * algorithm and thresholds of Nagios ("Detection and Handling of State Flapping" in its manual).
 */

/** Length of a step in milliseconds; 21 steps are 5 minutes. */
export const FLAP_STEP_MS = 15_000;
const STEPS = 20;
const LEAST_WEIGHT = 0.8;
const MOST_WEIGHT = 1.2;

/** A worker flaps if its share of changes is above this and it had more than {@link STEADY_TRANSITIONS} transitions. */
const BEGINS_ABOVE = 0.3;
/** Flapping ends below this. */
const ENDS_BELOW = 0.1;
/** Number of transitions that are recorded before a worker counts as flapping. */
export const STEADY_TRANSITIONS = 8;

/** One bit per step, newest lowest: whether the state changed in it. */
export type FlapSteps = number;

/** Ends the current step. */
export function nextFlapStep(steps: FlapSteps): FlapSteps {
  return (steps << 1) & ((1 << STEPS) - 1);
}

export function withChange(steps: FlapSteps): FlapSteps {
  return steps | 1;
}

/** From 0 to 1. */
export function flapScore(steps: FlapSteps): number {
  let score = 0;
  for (let age = 0; age < STEPS; age++) {
    if (((steps >> age) & 1) === 0) continue;
    score += MOST_WEIGHT - ((MOST_WEIGHT - LEAST_WEIGHT) * age) / (STEPS - 1);
  }
  return score / STEPS;
}

/** @param transitions since the worker was last steady */
export function beginsToFlap(steps: FlapSteps, transitions: number): boolean {
  return transitions > STEADY_TRANSITIONS && flapScore(steps) > BEGINS_ABOVE;
}

export function isSteadyAgain(steps: FlapSteps): boolean {
  return flapScore(steps) < ENDS_BELOW;
}
