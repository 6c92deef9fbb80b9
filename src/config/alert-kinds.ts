/** Parsers for the settings of alerts. */
import { Expected, type Kind } from './kinds.ts';

/** The base of links: a URL without parameters, and without a slash at the end. */
export const publicUrl: Kind<string> = {
  parse(text) {
    const example = 'https://pulselane.example.org';
    const url = /^https?:\/\//i.test(text) ? URL.parse(text) : null;
    if (url === null) throw new Expected(`a URL that begins with http:// or https://, such as ${example}`);
    if (url.username !== '' || url.password !== '') {
      throw new Expected(`a URL without a user and a password, such as ${example}`);
    }
    if (url.search !== '' || url.hash !== '') throw new Expected(`a URL without "?" and "#", such as ${example}`);
    return url.href.replace(/\/+$/, '');
  },
};

/** A name of the IANA time zone database. */
export const timeZone: Kind<string> = {
  parse(text) {
    try {
      return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
    } catch {
      throw new Expected('a time zone such as Europe/Berlin or UTC');
    }
  },
};
