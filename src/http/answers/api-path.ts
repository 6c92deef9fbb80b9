/** Whether errors at this path are problems (RFC 9457). */
export function isApiPath(path: string): boolean {
  return path === '/api' || path.startsWith('/api/');
}
