/** How many devices workers have had, in the file. */
import type { DevicesSeen } from '../evaluation/devices-seen.ts';
import type { Connection } from './connection.ts';

interface Row {
  readonly worker: string;
  readonly most: number;
  readonly has_listed: number;
}

export function readDevices(connection: Connection, devices: DevicesSeen): void {
  const rows = connection.all<Row>('SELECT worker, most, has_listed FROM devices_seen');
  devices.load(rows.map(({ worker, most, has_listed }) => [worker, { most, hasListed: has_listed === 1 }]));
}

/** What is not stored yet. */
export function writeDevices(connection: Connection, devices: DevicesSeen): void {
  for (const worker of devices.unsaved) {
    const seen = devices.of(worker);
    if (seen === undefined) connection.run('DELETE FROM devices_seen WHERE worker = ?', worker);
    else {
      connection.run(
        'INSERT OR REPLACE INTO devices_seen (worker, most, has_listed) VALUES (?, ?, ?)',
        worker,
        seen.most,
        Number(seen.hasListed),
      );
    }
  }
}
