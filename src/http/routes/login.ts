/**
 * `GET /login`: the login page, or a button to log out. `POST /login`: exchanges a token for a session cookie. `POST /logout`:
 * removes the cookie and ends the session; copies of the cookie are refused, and the session's live clients are closed.
 */
import type { Access } from '../access/access.ts';
import { LOGIN_CSP, loginHtml } from '../access/login-page.ts';
import { factsOf, refuse } from '../access/middleware.ts';
import { nextPage } from '../access/next-page.ts';
import { sessionCookie } from '../access/session.ts';
import { answer } from '../answers/common-headers.ts';
import { methodNotAllowed } from '../answers/problem.ts';
import { errorJson } from '../answers/respond.ts';
import type { AppContext, HttpContext, HttpEnv } from '../context.ts';
import type { App } from './route.ts';

const FORM = 'application/x-www-form-urlencoded';

export function loginRoutes(app: App, { access, logOut }: Pick<AppContext, 'access' | 'logOut'>): void {
  app.get('/login', (c) => page(c, 200, access, nextPage(c.req.query('next'))));

  app.post('/login', async (c) => {
    if (c.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase() !== FORM) {
      return refuse(c, { code: 'invalid_argument', detail: `expected a form (${FORM})` });
    }
    const form = new URLSearchParams(await c.req.text());
    const next = nextPage(form.get('next') ?? undefined);
    const outcome = access.logIn((form.get('token') ?? '').trim(), factsOf(c).peer);
    if ('session' in outcome) {
      return answer(c, 303, null, { Location: next, 'Set-Cookie': sessionCookie(outcome.session, isSecure(c)) });
    }
    const retry = 'retryAfterMs' in outcome ? { 'Retry-After': String(Math.ceil(outcome.retryAfterMs / 1000)) } : {};
    const detail = outcome.type === 'refuse' ? outcome.detail : '';
    const error = 'retryAfterMs' in outcome ? 'Too many attempts. Wait a moment and try again.' : sentence(detail);
    return page(c, 'retryAfterMs' in outcome ? 429 : 401, access, next, error, retry);
  });

  app.post('/logout', (c) => {
    const session = c.get('identity')?.session;
    if (session !== undefined) logOut(session, (c.env as HttpEnv['Bindings'] | undefined)?.incoming?.socket);
    return answer(c, 303, null, { Location: '/login', 'Set-Cookie': sessionCookie('', isSecure(c)) });
  });

  const refuseOther = (path: string, allowed: string) =>
    app.all(path, (c) => errorJson(c, 405, methodNotAllowed(c.req.method, allowed), { Allow: allowed }));
  refuseOther('/login', 'GET, HEAD, POST');
  refuseOther('/logout', 'POST');
}

function page(
  c: HttpContext,
  status: number,
  access: Access,
  next: string,
  error?: string,
  headers: Record<string, string> = {},
): Response {
  const sessionOf = error === undefined ? c.get('identity')?.session?.name : undefined;
  const body = loginHtml({ next, hasTokens: access.hasTokens, sessionOf, ...(error === undefined ? {} : { error }) });
  return answer(c, status, c.req.method === 'HEAD' ? null : body, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    'Content-Security-Policy': LOGIN_CSP,
    ...headers,
  });
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** Whether the browser uses TLS, to us or to a proxy in front of us. */
function isSecure(c: HttpContext): boolean {
  return factsOf(c).isTls || (c.req.header('origin') ?? '').startsWith('https:');
}
