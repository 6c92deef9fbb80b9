/** A request that cannot be answered as it was given. */
import { type ErrorCode, PulselaneError } from '../../lib/errors.ts';

export class QueryProblem extends PulselaneError {
  /** The name of the wrong parameter; undefined: it is no single one. */
  readonly parameter: string | undefined;

  constructor(
    code: Extract<ErrorCode, 'invalid_argument' | 'not_found' | 'too_large' | 'unavailable' | 'resource_exhausted'>,
    message: string,
    parameter?: string,
  ) {
    super(code, message);
    this.parameter = parameter;
  }
}
