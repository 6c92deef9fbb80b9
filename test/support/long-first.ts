/** The order of test files: what takes longest comes first, so that no worker is left with it at the end. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Those of 20 s and more, the longest first. Vitest knows how long a file took only where it has run before. */
const LONG = [
  'bench/small/flow',
  'package/packages',
  'engine/faults',
  'faults/restarts',
  'app/history',
  'e2e/readme',
  'package/pack',
  'faults/stalls',
  'bench/small/history',
  'bench/small/micro',
  'bench/small/metrics',
  'bench/small/isolation',
  'e2e/unwritable-output',
  'security/grpc',
  'faults/clocks',
  'cli/task',
  'deploy/image',
  'e2e/fleet',
  'security/ids',
  'security/http',
  'http/host',
  'faults/history-kills',
  'faults/cuts',
  'agent/agent',
  'e2e/prompt',
].map((name) => `/test/${name}.test.ts`);

export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = LONG.findIndex((name) => moduleId.endsWith(name));
      return found === -1 ? LONG.length : found;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}
