import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { ERRORS } from '../../src/lib/errors.ts';

test.each(Object.entries(ERRORS))(
  '%s has a status of HTTP and one of gRPC',
  (_, { httpStatus, grpcStatus, title, meaning }) => {
    expect(httpStatus).toBeGreaterThanOrEqual(400);
    expect(httpStatus).toBeLessThan(600);
    expect(status[grpcStatus]).toBeTypeOf('number');
    expect(title).not.toMatch(/\.$/);
    expect(meaning).toMatch(/^[A-Z].*\.$/);
  },
);
