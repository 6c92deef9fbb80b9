/** The limits of what an agent takes from exporters, with the reason for each value. */

const MIB = 1024 ** 2;

/** Series taken from one exporter, at most: as many as programs may set by the hub. History keeps 64 of a worker by default. */
export const MAX_SERIES_PER_TARGET = 1_000;
/** Of an exporter's answer, which is read piece by piece: node_exporter gives 0.1 MiB, cAdvisor on a large machine 10 MiB. */
export const MAX_BODY_BYTES = 16 * MIB;
/** Of one line; the longest label values of exporters have some KiB. */
export const MAX_LINE_BYTES = 64 * 1024;
/** Prometheus's own default for an exporter is 10 s; a shorter interval shortens it. */
export const TIMEOUT_MS = 10_000;
/** After so many intervals without a new value it is no longer known. One failed scrape leaves no hole. */
export const KEPT_INTERVALS = 2.5;
