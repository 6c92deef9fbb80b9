import { testBenchesIn } from './runs.ts';

await testBenchesIn('anomaly');
