import { describe, expect, it } from 'vitest';
import { linkBase, linkWarning } from '../../src/app/link-base.ts';

describe('the base of links', () => {
  it.each([
    [{ host: '127.0.0.1', port: 8080 }, false, 'http://127.0.0.1:8080'],
    [{ host: '10.0.0.5', port: 443 }, true, 'https://10.0.0.5:443'],
    [{ host: '::1', port: 8080 }, false, 'http://[::1]:8080'],
    // All interfaces.
    [{ host: '', port: 8080 }, false, 'http://master-1:8080'],
    [{ host: '0.0.0.0', port: 8080 }, true, 'https://master-1:8080'],
    [{ host: '::', port: 8080 }, false, 'http://master-1:8080'],
    [undefined, false, ''],
  ])('of %j', (address, isEncrypted, base) => {
    expect(linkBase(address, isEncrypted, 'master-1')).toBe(base);
  });
});

describe('the warning of useless links', () => {
  const loopback = { host: '127.0.0.1', port: 8080 };

  it('is given if receivers are told of an address that only this machine can open, or of none', () => {
    expect(linkWarning(undefined, loopback)).toContain('127.0.0.1:8080, which only this machine can open');
    expect(linkWarning(undefined, undefined)).toContain('HTTP is off');
  });

  it('is not given otherwise', () => {
    expect(linkWarning('https://p.example', loopback)).toBeUndefined();
    expect(linkWarning(undefined, { host: '', port: 8080 })).toBeUndefined();
  });
});
