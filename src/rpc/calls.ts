/** Unary calls as functions: bytes in, answer out, errors translated. */
import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import type { Caller, CallGuard } from './call-guard.ts';
import { serviceErrorOf } from './status.ts';

/** Requests arrive as raw bytes, so that what is malformed is answered with INVALID_ARGUMENT and not INTERNAL. */
export type UnaryHandler<Response> = (
  call: ServerUnaryCall<Buffer, Response>,
  callback: sendUnaryData<Response>,
) => void;

/** @param answer what is asked, and by whom: the guard has let the caller in */
export function unary<Response>(
  answer: (request: Buffer, caller: Caller) => Response,
  { guard, logger }: { guard: CallGuard; logger: Logger },
): UnaryHandler<Response> {
  return (call, callback) => {
    let response: Response;
    try {
      response = answer(call.request, guard.enter(call));
    } catch (error) {
      if (!(error instanceof PulselaneError)) logger.error({ err: error, method: call.getPath() }, 'a call failed');
      callback(serviceErrorOf(error));
      return;
    }
    callback(null, response);
  };
}

/**
 * What is decoded on the main thread, and kept there for each worker: some hundred labels. The limit for messages is
 * that of heartbeats, which main does not decode; 4 MiB of labels were seen to hold it up for 160 ms.
 */
const MAX_REQUEST_BYTES = 64 * 1024;

/** @throws PulselaneError `invalid_argument` */
export function decodeRequest<Desc extends DescMessage>(schema: Desc, bytes: Buffer): MessageShape<Desc> {
  if (bytes.length > MAX_REQUEST_BYTES) {
    throw new PulselaneError(
      'invalid_argument',
      `${schema.name} has ${bytes.length} bytes; at most ${MAX_REQUEST_BYTES} are allowed`,
    );
  }
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new PulselaneError('invalid_argument', `${schema.name} is malformed: ${messageOf(error)}`, { cause: error });
  }
}
