/** `GET /workers`: who there is, in short. */
import type { AppContext } from '../context.ts';
import { sendMap } from '../respond.ts';
import { type App, readOnly } from './route.ts';

export function workersRoutes(app: App, context: AppContext): void {
  readOnly(app, '/workers', (c) => sendMap(context, c, context.bodies.workers));
}
