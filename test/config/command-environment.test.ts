import { expect, test } from 'vitest';
import { commandEnvironment } from '../../src/config/command-environment.ts';

test('commands get what they need to run, and no secrets', () => {
  const given = {
    PATH: '/opt/bin',
    HOME: '/root',
    LANG: '',
    TZ: 'UTC',
    API_TOKEN: 'secret',
    DATABASE_URL: 'postgres://a:b@c',
  };
  expect(commandEnvironment(given)).toEqual({ PATH: '/opt/bin', HOME: '/root', TZ: 'UTC' });
  expect(commandEnvironment({}).PATH).toContain('/usr/bin');
});
