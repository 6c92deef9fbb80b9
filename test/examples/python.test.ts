import { fileURLToPath } from 'node:url';
import { describeWith } from '../support/debian.ts';
import { testExampleWorker } from './example-worker.ts';

const WORKER = fileURLToPath(new URL('../../examples/python/worker.py', import.meta.url));

describeWith('python3-grpcio')('the example worker in Python', () => {
  testExampleWorker(() => ({ file: '/usr/bin/python3', args: ['-B', WORKER], dashes: '--' }));
});
