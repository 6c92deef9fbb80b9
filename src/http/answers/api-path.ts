/** The only path that takes large bodies. */
export const HEARTBEATS_PATH = '/api/v1/heartbeats';

/** Whether errors at this path are problems (RFC 9457). */
export function isApiPath(path: string): boolean {
  return path === '/api' || path.startsWith('/api/');
}
