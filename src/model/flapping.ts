/**
 * Whether a worker keeps changing its state. Looked at in steps: a step counts as changed if the state changed in it. The
 * last 21 states make 20 changes, of which newer ones weigh more, from 0.8 to 1.2: the way of Nagios ("Detection and
 * Handling of State Flapping" in its manual), with its bounds.
 */

/** Milliseconds between two looks; 21 of them are 5 minutes. */
export const FLAP_STEP_MS = 15_000;
const STEPS = 20;
const LEAST_WEIGHT = 0.8;
const MOST_WEIGHT = 1.2;

/** A share of changes above this, and more than {@link STEADY_TRANSITIONS}, is flapping. */
const BEGINS_ABOVE = 0.3;
/** Below this it is over. */
const ENDS_BELOW = 0.1;
/** So many transitions are told before a worker is called flapping. */
export const STEADY_TRANSITIONS = 8;

/** One bit a step, newest lowest: whether the state changed in it. */
export type FlapSteps = number;

/** The step that is under way is over. */
export function nextFlapStep(steps: FlapSteps): FlapSteps {
  return (steps << 1) & ((1 << STEPS) - 1);
}

export function withChange(steps: FlapSteps): FlapSteps {
  return steps | 1;
}

/** 0 to 1. */
export function flapScore(steps: FlapSteps): number {
  let score = 0;
  for (let age = 0; age < STEPS; age++) {
    if (((steps >> age) & 1) === 0) continue;
    score += MOST_WEIGHT - ((MOST_WEIGHT - LEAST_WEIGHT) * age) / (STEPS - 1);
  }
  return score / STEPS;
}

/** @param transitions since it was last steady */
export function beginsToFlap(steps: FlapSteps, transitions: number): boolean {
  return transitions > STEADY_TRANSITIONS && flapScore(steps) > BEGINS_ABOVE;
}

export function isSteadyAgain(steps: FlapSteps): boolean {
  return flapScore(steps) < ENDS_BELOW;
}
