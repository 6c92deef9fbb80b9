/** The limits of OTLP export, with the reason for each value. */

/**
 * A request is closed once it has this many bytes before compression; a single metric may exceed it. Receivers take 4 MiB by gRPC and 20 MiB by HTTP
 * unless told otherwise; larger requests than this compress no better.
 */
export const REQUEST_BYTES = 1024 ** 2;
/** Names of metrics that are kept encoded. Custom metrics come and go; with more, all are encoded again. */
export const MAX_KEPT_NAMES = 20_000;
/** Event logs of one request: with the longest details some 2 MB. */
export const EVENTS_PER_REQUEST = 1000;
/** Of a body of an event, in UTF-16 units; all events of the master are shorter. */
export const MAX_BODY_LENGTH = 2048;
