/** `GET /`: redirects browsers to the docs page and gives programs a list of entry points. */
import { wantsPage } from '../access/decide.ts';
import { factsOf } from '../access/middleware.ts';
import { answer } from '../answers/common-headers.ts';
import { sendJson } from '../answers/respond.ts';
import { type App, readOnly } from './route.ts';

/** Entry points of the API. */
export const HOME = {
  docs: '/api/docs',
  openapi: '/api/v1/openapi.json',
  workers: '/api/v1/workers',
  cluster: '/api/v1/cluster',
  stream: '/api/v1/stream',
  metrics: '/metrics',
  telemetry: '/telemetry',
  health: '/health',
};

export function homeRoutes(app: App): void {
  readOnly(app, '/', (c) =>
    wantsPage(factsOf(c).headers) ? answer(c, 302, null, { Location: HOME.docs }) : sendJson(c, 200, HOME),
  );
}
