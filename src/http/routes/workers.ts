/** `GET /workers`: who there is, in short. */
import type { AppContext } from '../context.ts';
import { sendJsonText } from '../respond.ts';
import { appendMap, appendSummary } from '../worker-json.ts';
import { type App, readOnly } from './route.ts';

export function workersRoutes(app: App, context: AppContext): void {
  const { directory } = context;
  readOnly(app, '/workers', (c) =>
    sendJsonText(context, c, (text) => appendMap(text, directory, directory.all(), appendSummary)),
  );
}
