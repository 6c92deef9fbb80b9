/** The entry of the HTTP thread. */
import { systemClock } from '../lib/clock.ts';
import { portOf } from '../lib/ports.ts';
import { takeThreadStart } from '../lib/thread-start.ts';
import { takeThreadText } from '../lib/threads.ts';
import { readFor } from '../reading/reader-thread.ts';
import type { FromHttp, HttpThreadData, ToHttp } from './messages.ts';
import { serveHttp } from './port-side.ts';

const { port, data } = takeThreadStart<HttpThreadData>();
takeThreadText('http/query/thread', data.queryScript);
takeThreadText('http/metrics/thread', data.metricsScript);
if (data.history !== undefined) takeThreadText('http/history/thread', data.history.script);
readFor<ToHttp, FromHttp>(portOf(port), data, (parts) => serveHttp(parts, data, systemClock));
