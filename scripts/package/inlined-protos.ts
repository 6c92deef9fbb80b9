/**
 * For esbuild: some packages read `.proto` files of their own when they are loaded. This plugin puts the files listed below into
 * the bundle. If a package reads any other file, the bundled program fails at its start.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Plugin } from 'esbuild';

/** For each package: its folder of protos, and the files it reads there. */
const FILES: Readonly<Record<string, readonly [folder: string, ...files: string[]]>> = {
  'grpc-health-check': ['proto', 'health/v1/health.proto'],
  '@grpc/reflection': [
    'build/proto',
    'grpc/reflection/v1/reflection.proto',
    'grpc/reflection/v1alpha/reflection.proto',
  ],
};

const LOADER = '@grpc/proto-loader';

interface ProtoRoot {
  toJSON(): unknown;
}

interface Protobufjs {
  readonly Root: new () => ProtoRoot & {
    resolvePath: (origin: string, target: string) => string;
    loadSync(file: string, options: { keepCase: boolean }): ProtoRoot;
  };
}

/** @param root the clone, whose packages are bundled */
export function inlinedProtos(root: string): Plugin {
  return {
    name: 'inlined protos',
    setup(build) {
      build.onResolve({ filter: /^@grpc\/proto-loader$/ }, async ({ importer, resolveDir, kind, pluginData }) => {
        if (pluginData === LOADER) return undefined;
        const reader = Object.keys(FILES).find((name) => importer.includes(`node_modules/${name}/`));
        if (reader === undefined) return undefined;
        const real = await build.resolve(LOADER, { importer, resolveDir, kind, pluginData: LOADER });
        return { path: real.path, namespace: LOADER, pluginData: reader };
      });
      build.onLoad({ filter: /.*/, namespace: LOADER }, ({ path, pluginData }) => ({
        contents: `
          const loader = require(${JSON.stringify(path)});
          const protos = ${JSON.stringify(readProtos(root, pluginData as string))};
          module.exports = {
            ...loader,
            loadSync(file, options) {
              const name = Object.keys(protos).find((known) => file.endsWith(known));
              if (name === undefined) throw new Error(file + ' is not in this bundle');
              return loader.fromJSON(protos[name], options);
            },
          };`,
        resolveDir: dirname(path),
      }));
    },
  };
}

function readProtos(root: string, reader: string): Record<string, unknown> {
  const [folder = '', ...files] = FILES[reader] ?? [];
  const { Root } = createRequire(join(root, 'package.json'))('protobufjs') as Protobufjs;
  const from = join(root, 'node_modules', reader, folder);
  return Object.fromEntries(
    files.map((file) => {
      const protos = new Root();
      protos.resolvePath = (_origin, target) => join(from, target);
      return [file, protos.loadSync(file, { keepCase: true }).toJSON()];
    }),
  );
}
