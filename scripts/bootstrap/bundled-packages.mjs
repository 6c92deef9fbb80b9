/**
 * The packages whose code went into a bundle, as paths such as "node_modules/zod", sorted. Inputs
 * that contribute no byte to the output are left out.
 * @param {import('esbuild').Metafile} metafile
 * @returns {string[]}
 */
export function packagesIn({ outputs }) {
  const inputs = Object.values(outputs).flatMap((output) =>
    Object.entries(output.inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
  );
  // The innermost folder counts: packages may contain packages.
  const folders = inputs.map((path) => /node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0]);
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort();
}
