/**
 * Bundles one thread's entry into one file: node bundle.mjs ENTRY OUT FORM, small or readable. A program of its own, run on the pinned Node.
 * It uses esbuild's interface and not its command, which an npm that runs install scripts replaces by a binary.
 */
import { build } from 'esbuild';

const [entry = '', outfile = '', form = ''] = process.argv.slice(2);
const isSmall = form === 'small';
await build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  minify: isSmall,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  legalComments: isSmall ? 'none' : 'eof',
  // It finds the file of its threads beside its own.
  external: ['piscina'],
  // For packages of the older kind (ws), which ask for parts of Node by it.
  ...(isSmall
    ? {}
    : {
        banner: { js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);" },
      }),
  logLevel: 'warning',
});
