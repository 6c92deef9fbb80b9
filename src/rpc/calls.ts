/** Turns unary calls into functions: bytes in, answer out, errors translated. */
import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import type { Metadata, ServerUnaryCall, ServiceDefinition, sendUnaryData } from '@grpc/grpc-js';
import { MAX_QUESTION_BYTES } from '../config/call-limits.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import type { Caller, CallGuard } from './call-guard.ts';
import { serviceErrorOf } from './status.ts';

/** Requests arrive as raw bytes, so that malformed ones are answered with INVALID_ARGUMENT instead of INTERNAL. */
export type UnaryHandler<Response> = (
  call: ServerUnaryCall<Buffer, Response>,
  callback: sendUnaryData<Response>,
) => void;

/** An answer with trailing metadata. */
export class WithTrailer<Response> {
  readonly response: Response;
  readonly trailer: Metadata;

  constructor(response: Response, trailer: Metadata) {
    this.response = response;
    this.trailer = trailer;
  }
}

/** @param answer gets the request and its authenticated caller */
export function unary<Response>(
  answer: (request: Buffer, caller: Caller) => Response | WithTrailer<Response>,
  { guard, logger, onRefused }: { guard: CallGuard; logger: Logger; onRefused?: (error: unknown) => void },
): UnaryHandler<Response> {
  return (call, callback) => {
    let response: Response | WithTrailer<Response>;
    try {
      response = answer(call.request, guard.enter(call));
    } catch (error) {
      onRefused?.(error);
      if (!(error instanceof PulselaneError)) logger.error({ err: error, method: call.getPath() }, 'a call failed');
      callback(serviceErrorOf(error));
      return;
    }
    if (response instanceof WithTrailer) callback(null, response.response, response.trailer);
    else callback(null, response);
  };
}

/** The caller has checked the size. @throws PulselaneError `invalid_argument` */
export function decodeRequest<Desc extends DescMessage>(schema: Desc, bytes: Buffer): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new PulselaneError('invalid_argument', `${schema.name} is malformed: ${messageOf(error)}`, { cause: error });
  }
}

/** Limits the request size of a third-party service whose requests are short names; larger ones are not decoded. */
export function withSmallRequests(service: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(service).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): unknown => {
      if (bytes.length > MAX_QUESTION_BYTES) throw new Error(`the request has more than ${MAX_QUESTION_BYTES} bytes`);
      return method.requestDeserialize(bytes);
    };
    return [name, { ...method, requestDeserialize }];
  });
  return Object.fromEntries(methods);
}
