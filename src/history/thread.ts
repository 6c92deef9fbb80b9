/** The entry of the history thread. */
import { systemClock } from '../lib/clock.ts';
import { portOf } from '../lib/ports.ts';
import { takeThreadStart } from '../lib/thread-start.ts';
import { readFor } from '../reading/reader-thread.ts';
import type { FromHistory, HistoryThreadData, ToHistory } from './messages.ts';
import { recordHistory } from './port-side.ts';

const { port, data } = takeThreadStart<HistoryThreadData>();
readFor<ToHistory, FromHistory>(portOf(port), data, (parts) => recordHistory(parts, data, systemClock));
