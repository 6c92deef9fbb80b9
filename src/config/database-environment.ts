/** What PostgreSQL's own tools take from the environment if the URL does not say it. Threads have no environment. */
import { userInfo } from 'node:os';

/**
 * @param url a valid `DATABASE_URL`
 * @returns the same with the user, by default `PGUSER` or the one that runs Pulselane, and with `PGPASSWORD`, if it has a password
 */
export function withCredentials(
  url: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const { searchParams, username, password } = new URL(url.replace('@/', '@localhost/'));
  const missing: string[] = [];
  if (username === '' && !searchParams.get('user'))
    missing.push(`user=${encodeURIComponent(environment.PGUSER || ownName())}`);
  if (password === '' && !searchParams.get('password') && environment.PGPASSWORD) {
    missing.push(`password=${encodeURIComponent(environment.PGPASSWORD)}`);
  }
  return missing.reduce((text, parameter) => `${text}${text.includes('?') ? '&' : '?'}${parameter}`, url);
}

function ownName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run with a user that has no name; the server then says which user is missing.
    return '';
  }
}
