/**
 * Carries out the decisions of model/brake.ts: workers of a group that fell silent at once are not judged until most of
 * the group has reported again, or until an operator or the maximum hold time releases the brake.
 */
import { decideBrake } from '../../model/brake.ts';
import type { RosterEntry } from '../workers/roster.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { BrakeUnit, GroupWatch } from './group-watch.ts';

export interface BrakesOptions {
  readonly groups: GroupWatch;
  readonly maxHoldMs: number;
  readonly recorder: EventRecorder;
  /** Most of the group have reported again; this worker, not yet inactive, may follow. */
  readonly onLate: (entry: RosterEntry, nowMs: number) => void;
  /** The worker stayed silent until its group's brake was released: it has failed. */
  readonly onFailed: (entry: RosterEntry) => void;
  /** A brake was engaged or released. */
  readonly onChange: () => void;
}

export class Brakes {
  readonly #options: BrakesOptions;

  constructor(options: BrakesOptions) {
    this.#options = options;
  }

  /** Called at each sweep, after silent workers were found. @param nowMs attentive time */
  decide(nowMs: number): void {
    const { groups, maxHoldMs } = this.#options;
    for (const unit of groups.units) {
      switch (decideBrake(unit, nowMs, maxHoldMs)) {
        case 'engage':
          this.#engage(unit, nowMs);
          break;
        case 'heard again':
          this.#releaseReceived(unit, nowMs);
          break;
        case 'longest hold over':
          this.#releaseFailed(unit, 'the maximum hold time has passed');
          break;
        default:
      }
    }
  }

  /** Releases brakes for an operator. @param name of the group; undefined: all. @returns how many were engaged */
  release(name?: string): number {
    const units = this.#options.groups.held.filter((unit) => name === undefined || unit.name === name);
    for (const unit of units) this.#releaseFailed(unit, 'by an operator');
    return units.length;
  }

  #engage(unit: BrakeUnit, nowMs: number): void {
    const { groups, maxHoldMs, recorder, onChange } = this.#options;
    groups.setHeld(unit.name, nowMs);
    const detail =
      `${unit.silent} of ${unit.watched} workers of ${unitText(unit)} went silent at the same time; ` +
      `none is marked inactive until most report again or an operator enters "brake release", for at most ${maxHoldMs / 1000} s`;
    recorder.record({ type: 'brake', group: unit.name, detail });
    onChange();
  }

  #releaseReceived(unit: BrakeUnit, nowMs: number): void {
    const late = unit.silentEntries.filter(({ liveness }) => liveness.state !== 'inactive');
    for (const entry of late) {
      this.#options.groups.received(entry);
      this.#options.onLate(entry, nowMs);
    }
    const rest = late.length === 0 ? '' : `; ${late.length} do not yet`;
    this.#released(unit, `workers of ${unitText(unit)} report again${rest}`);
  }

  #releaseFailed(unit: BrakeUnit, reason: string): void {
    const failed = unit.silentEntries;
    this.#released(unit, `${reason}; ${failed.length} workers of ${unitText(unit)} have failed`);
    for (const entry of failed) {
      this.#options.groups.unwatch(entry);
      this.#options.onFailed(entry);
    }
  }

  #released({ name }: BrakeUnit, detail: string): void {
    const { groups, recorder, onChange } = this.#options;
    groups.setHeld(name, undefined);
    recorder.record({ type: 'brake_released', group: name, detail });
    onChange();
  }
}

function unitText({ name }: BrakeUnit): string {
  return name === '' ? 'no group or a small one' : `group ${name}`;
}
