/**
 * Carries out what model/brake.ts decides: a group that fell silent at once is not judged, until most of it is heard again,
 * or an operator or the longest hold says that it has failed.
 */
import { decideBrake } from '../../model/brake.ts';
import type { RosterEntry } from '../workers/roster.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { BrakeUnit, GroupWatch } from './group-watch.ts';

export interface BrakesOptions {
  readonly groups: GroupWatch;
  readonly maxHoldMs: number;
  readonly recorder: EventRecorder;
  /** Most of its group are heard again; this one, not yet inactive, may be on its way. */
  readonly onLate: (entry: RosterEntry, nowMs: number) => void;
  /** It stayed silent until its group's brake was released: it has failed. */
  readonly onFailed: (entry: RosterEntry) => void;
  /** A brake is held, or no more. */
  readonly onChange: () => void;
}

export class Brakes {
  readonly #options: BrakesOptions;

  constructor(options: BrakesOptions) {
    this.#options = options;
  }

  /** At each sweep, when it is known who has fallen silent. @param nowMs in attentive time */
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
          this.#releaseFailed(unit, 'it was held for as long as is allowed');
          break;
        default:
      }
    }
  }

  /** By an operator. @param name of the group; undefined: all. @returns how many brakes were held */
  release(name?: string): number {
    const units = this.#options.groups.held.filter((unit) => name === undefined || unit.name === name);
    for (const unit of units) this.#releaseFailed(unit, 'by an operator');
    return units.length;
  }

  #engage(unit: BrakeUnit, nowMs: number): void {
    const { groups, maxHoldMs, recorder, onChange } = this.#options;
    groups.setHeld(unit.name, nowMs);
    const detail =
      `${unit.silent} of ${unit.watched} workers of ${unitText(unit)} fell silent at once; ` +
      `they are not judged until most are heard, or "brake release", for ${maxHoldMs / 1000} s at most`;
    recorder.record({ type: 'brake', group: unit.name, detail });
    onChange();
  }

  #releaseReceived(unit: BrakeUnit, nowMs: number): void {
    const late = unit.silentEntries.filter(({ liveness }) => liveness.state !== 'inactive');
    for (const entry of late) {
      this.#options.groups.received(entry);
      this.#options.onLate(entry, nowMs);
    }
    const rest = late.length === 0 ? '' : `; ${late.length} not yet`;
    this.#released(unit, `workers of ${unitText(unit)} are heard again${rest}`);
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
  return name === '' ? 'no group' : `group ${name}`;
}
