/** Properties are tried on the same inputs each time, so that a test run can be repeated; FC_SEED tries others. */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env.FC_SEED ?? 20_261_124) });
