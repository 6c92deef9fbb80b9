/** The address under which the docs page was requested, as its examples show it. */

/** Stands for the origin in examples. The page is built once with it; it is replaced whenever the page is sent. */
export const ORIGIN = 'http://origin.invalid';
/** The same for WebSockets. */
export const SOCKET_ORIGIN = 'ws://origin.invalid';

const DEFAULT_HOST = 'localhost:8080';

/** A plain name or address with an optional port. A Host header may have other characters, which a shell would interpret. */
const PLAIN_HOST = /^(?:[a-z\d._-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/** The host that examples show. @param host the request's Host, already checked by the access middleware, if it had one */
export function shownHost(host: string | undefined): string {
  return host !== undefined && PLAIN_HOST.test(host) ? host : DEFAULT_HOST;
}

/** @param host from {@link shownHost} */
export function withOrigin(html: string, host: string, isTls: boolean): string {
  return html
    .replaceAll(ORIGIN, `http${isTls ? 's' : ''}://${host}`)
    .replaceAll(SOCKET_ORIGIN, `ws${isTls ? 's' : ''}://${host}`);
}
