import { expect, test } from 'vitest';
import { serviceManager } from '../../src/config/service-manager.ts';

const PID = 42;
const of = (environment: Record<string, string>) => serviceManager({ PATH: '/bin', ...environment }, PID);

test('a socket is a path or an abstract name', () => {
  expect(of({ NOTIFY_SOCKET: '/run/systemd/notify' })).toMatchObject({ socket: '/run/systemd/notify', path: '/bin' });
  expect(of({ NOTIFY_SOCKET: '@/org/notify' })).toMatchObject({ socket: '@/org/notify' });
});

test.each([
  {},
  { NOTIFY_SOCKET: '' },
  { NOTIFY_SOCKET: '/' },
  { NOTIFY_SOCKET: 'relative' },
  { NOTIFY_SOCKET: 'vsock:2:1' },
])('%j: nobody is told anything', (environment) => {
  expect(of(environment as Record<string, string>)).toBeUndefined();
});

test.each([
  [{ WATCHDOG_USEC: '60000000' }, 60_000],
  [{ WATCHDOG_USEC: '60000000', WATCHDOG_PID: String(PID) }, 60_000],
  [{ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '1' }, undefined],
  [{ WATCHDOG_USEC: '0' }, undefined],
  [{ WATCHDOG_USEC: '-5' }, undefined],
  [{ WATCHDOG_USEC: 'soon' }, undefined],
  [{}, undefined],
])('%j: a sign of life is expected every %s ms', (environment, watchdogMs) => {
  expect(of({ NOTIFY_SOCKET: '/run/notify', ...environment })?.watchdogMs).toBe(watchdogMs);
});
