/**
 * Bundles one thread's entry into one file: node bundle.mjs ENTRY OUT. A program of its own, run on the pinned Node.
 * It uses esbuild's interface and not its command, which an npm that runs install scripts replaces by a binary.
 */
import { build } from 'esbuild';

const [entry = '', outfile = ''] = process.argv.slice(2);
await build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  legalComments: 'none',
  logLevel: 'warning',
});
