/** Unary calls as functions: bytes in, answer out, errors translated. */
import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { serviceErrorOf } from './status.ts';

/** Requests arrive as raw bytes, so that what is malformed is answered with INVALID_ARGUMENT and not INTERNAL. */
export type UnaryHandler<Response> = (
  call: ServerUnaryCall<Buffer, Response>,
  callback: sendUnaryData<Response>,
) => void;

export function unary<Response>(answer: (request: Buffer) => Response, logger: Logger): UnaryHandler<Response> {
  return (call, callback) => {
    let response: Response;
    try {
      response = answer(call.request);
    } catch (error) {
      if (!(error instanceof PulselaneError)) logger.error({ err: error, method: call.getPath() }, 'a call failed');
      callback(serviceErrorOf(error));
      return;
    }
    callback(null, response);
  };
}

/** @throws PulselaneError `invalid_argument` */
export function decodeRequest<Desc extends DescMessage>(schema: Desc, bytes: Buffer): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new PulselaneError('invalid_argument', `${schema.name} is malformed: ${messageOf(error)}`, { cause: error });
  }
}
