/** `GET /telemetry` and `GET /telemetry/{workerID}`: the newest record of all workers or of one. */

import { sendJsonText, sendMap } from '../answers/respond.ts';
import { appendValue, putTelemetry } from '../bodies/worker-json.ts';
import type { AppContext } from '../context.ts';
import { type App, readOnly, unknownWorker, workerIdBehind } from './route.ts';

export function telemetryRoutes(app: App, context: AppContext): void {
  const { directory, bodies } = context;

  readOnly(app, '/telemetry', (c) => sendMap(context, c, bodies.telemetry));

  readOnly(app, '/telemetry/:id{.+}', (c) => {
    const named = workerIdBehind('/telemetry/', c);
    if ('refused' in named) return named.refused;
    const entry = directory.get(named.id);
    if (entry === undefined) return unknownWorker(c, named.id);
    return sendJsonText(context, c, (text) =>
      appendValue(text, directory.board, entry, putTelemetry) ? undefined : unknownWorker(c, named.id),
    );
  });
}
