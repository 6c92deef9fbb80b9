/** Which program this is, and since when it runs. */
import { VERSION } from '../../lib/version.ts';
import { gauge, type MasterFamily } from './master-family.ts';

export const PROCESS_FAMILIES: readonly MasterFamily[] = [
  {
    name: 'pulselane_build',
    type: 'info',
    help: 'The version of Pulselane and of Node; always 1.',
    labels: ['version', 'node'],
    read: () => [
      {
        labels: [
          ['version', VERSION],
          ['node', process.versions.node],
        ],
        value: 1,
      },
    ],
  },
  gauge(
    'start_timestamp_seconds',
    'When the master started, in seconds since 1970.',
    ({ startedUnixMs }) => startedUnixMs / 1000,
    'seconds',
  ),
];
