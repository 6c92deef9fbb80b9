/** `GET /telemetry` and `GET /telemetry/{workerID}`: the newest record of all workers, or of one. */
import type { AppContext } from '../context.ts';
import { sendJsonText } from '../respond.ts';
import { appendMap, appendTelemetry } from '../worker-json.ts';
import { type App, readOnly, unknownWorker, workerIdBehind } from './route.ts';

export function telemetryRoutes(app: App, context: AppContext): void {
  const { directory } = context;

  readOnly(app, '/telemetry', (c) =>
    sendJsonText(context, c, (text) => appendMap(text, directory, directory.all(), appendTelemetry)),
  );

  readOnly(app, '/telemetry/:id{.+}', (c) => {
    const named = workerIdBehind('/telemetry/', c);
    if ('refused' in named) return named.refused;
    const entry = directory.get(named.id);
    if (entry === undefined) return unknownWorker(c, named.id);
    return sendJsonText(context, c, (text) => appendTelemetry(text, directory, entry));
  });
}
