/** The login page. It has no scripts and loads nothing. */
import { createHash } from 'node:crypto';
import { html, raw } from 'hono/html';

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#c9ced6, #3c434f); --accent: light-dark(#0b5cad, #6cb2ff); }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  font: 1rem/1.5 system-ui, sans-serif; background: light-dark(#f5f6f8, #15181d); color: light-dark(#1b1f24, #e6e9ee); }
main { width: min(26rem, 100%); padding: 2rem; border: 1px solid var(--line); border-radius: .75rem;
  background: light-dark(#fff, #1d2128); }
h1 { margin: 0 0 .25rem; font-size: 1.375rem; }
p { margin: 0 0 1.25rem; }
label { display: block; font-weight: 600; }
input, button { width: 100%; padding: .625rem .75rem; border-radius: .5rem; font: inherit; }
input { margin: .375rem 0 1rem; border: 1px solid var(--line); background: transparent; color: inherit; }
button { border: 0; font-weight: 600; background: var(--accent); color: light-dark(#fff, #10141a); cursor: pointer; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.error { padding: .5rem .75rem; border-radius: .5rem; background: light-dark(#fde8e8, #4a1f24); }
code { font-size: .9em; }
`;

/** Allows only the page's own style and form. */
export const LOGIN_CSP =
  `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; ` +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

export interface LoginPage {
  /** The path to go to after login. */
  readonly next: string;
  /** Why the last attempt failed. */
  readonly error?: string;
  /** Without tokens, no login is needed. */
  readonly hasTokens: boolean;
  /** The token name of the present session. */
  readonly sessionOf: string | undefined;
}

export function loginHtml({ next, error, hasTokens, sessionOf }: LoginPage): string {
  const form = html`<p>Enter a token of this master. <code>pulselane token create</code> makes one.</p>
      ${error === undefined ? '' : html`<p class="error" role="alert">${error}</p>`}
      <form method="post" action="/login">
        <input type="hidden" name="next" value="${next}">
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
        <button>Log in</button>
      </form>`;
  const loggedIn = html`<p>Logged in as <strong>${sessionOf}</strong>. <a href="${next}">Continue</a></p>
      <form method="post" action="/logout">
        <button>Log out</button>
      </form>`;
  const open = html`<p>This master requires no login. <a href="${next}">Continue</a></p>`;
  const asked = sessionOf === undefined ? form : loggedIn;
  return String(html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Log in · Pulselane</title>
    <style>${raw(STYLE)}</style>
  </head>
  <body>
    <main>
      <h1>Pulselane</h1>
      ${hasTokens ? asked : open}
    </main>
  </body>
</html>
`);
}
