/** `GET /workers`: a summary of every worker. */

import { sendMap } from '../answers/respond.ts';
import type { AppContext } from '../context.ts';
import { type App, readOnly } from './route.ts';

export function workersRoutes(app: App, context: AppContext): void {
  readOnly(app, '/workers', (c) => sendMap(context, c, context.bodies.workers));
}
