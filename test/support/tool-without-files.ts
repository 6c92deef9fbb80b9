/** Runs a tool while the process may open no further file, and prints how that ended. Begun with a low limit. */
import { closeSync, openSync } from 'node:fs';
import { toolsOf } from '../../src/agent/measure/gpu/tool.ts';

const tools = toolsOf({ gpuToolPath: '', environment: { path: '', libraryPath: '' } });
// What is loaded by the first run is there then.
const { failure: before } = await tools.run('/bin/true', []);
const opened: number[] = [];
let run: ReturnType<typeof tools.run>;
try {
  for (;;) opened.push(openSync('/dev/null', 'r'));
} catch {
  run = tools.run('/bin/true', []);
}
const { failure: without } = await run;
for (const file of opened) closeSync(file);
const { failure: after } = await tools.run('/bin/true', []);
console.log(JSON.stringify({ before, without, after }));
