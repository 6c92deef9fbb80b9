import fc from 'fast-check';

/** Properties are tried on the same inputs each time, so that a test run can be repeated; FC_SEED tries others. */
fc.configureGlobal({ seed: Number(process.env.FC_SEED ?? 20_261_124) });

/** Agents of tests open no socket where people have theirs, and do not find one another there. A test that means one names it. */
process.env.PULSELANE_SOCKET = 'off';

/** Masters of tests run no thread of alerts. A test about alerts sets it. */
process.env.ALERTS = 'off';
