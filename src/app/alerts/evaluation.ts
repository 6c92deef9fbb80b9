/** Joins evaluation/ with the past that history knows, and with the file of alerts. */
import { DevicesSeen } from '../../alerts/evaluation/devices-seen.ts';
import { Evaluator } from '../../alerts/evaluation/evaluator.ts';
import { WorkerFacts } from '../../alerts/evaluation/worker-facts.ts';
import type { Evaluation } from '../../alerts/parts.ts';
import { NO_PAST } from '../../alerts/past.ts';
import type { Log } from '../../alerts/port-side.ts';
import { readDevices, writeDevices } from '../../alerts/store/stored-devices.ts';
import type { DatabasePlace } from '../../history/database.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Directory } from '../../reading/directory.ts';
import { HistoryPast } from './past.ts';

/** @param place of history; undefined: it is off */
export function makeEvaluation(directory: Directory, place: DatabasePlace | undefined, log: Log): Evaluation {
  const past = place === undefined ? undefined : new HistoryPast({ directory, place, clock: systemClock });
  const devices = new DevicesSeen();
  const evaluator = new Evaluator({
    fleet: new WorkerFacts(directory, devices),
    past: past ?? NO_PAST,
    clock: systemClock,
    log: (message) => log('warn', message),
  });
  return {
    load: (rules) => evaluator.load(rules),
    isLeftOut: (rule) => evaluator.isLeftOut(rule),
    evaluate: (rules, firingOf) => evaluator.evaluate(rules, firingOf),
    read: (connection) => readDevices(connection, devices),
    write(connection, isAll) {
      if (isAll) devices.loseFile();
      writeDevices(connection, devices);
    },
    written: () => devices.saved(),
    figuresOf: (rule) => evaluator.figuresOf(rule),
    async stop() {
      await evaluator.stop();
      await past?.close();
    },
  };
}
