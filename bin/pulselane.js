#!/usr/bin/env node
/** The command. Plain JavaScript that any Node reads; what it starts is in `launch.js`. */
import './keep-small.js';

await import('./launch.js');
