/** The entry of the export thread. */
import { systemClock } from '../../lib/clock.ts';
import { portOf } from '../../lib/ports.ts';
import { takeThreadStart } from '../../lib/thread-start.ts';
import type { ReaderData } from '../../reading/reader-messages.ts';
import { readFor } from '../../reading/reader-thread.ts';
import type { FromExport, ToExport } from './messages.ts';
import { exportMetrics } from './port-side.ts';

const { port, data } = takeThreadStart<ReaderData>();
readFor<ToExport, FromExport>(portOf(port), data, (parts) => exportMetrics(parts, systemClock));
