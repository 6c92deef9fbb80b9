/** What applies to many routes. A guide is shown if the document has the route it is about. */
import { ORIGIN } from './origin.ts';

export interface Guide {
  readonly id: string;
  readonly title: string;
  /** A path of the document; undefined: always shown. */
  readonly about: string | undefined;
  /** A query parameter of that path; undefined: none in particular. */
  readonly parameter?: string;
  readonly text: string;
  /** A shell command; {@link ORIGIN} stands for the server's address. */
  readonly example?: string;
}

export const GUIDES: readonly Guide[] = [
  {
    id: 'values',
    title: 'Values',
    about: undefined,
    text: [
      'Under `/api/v1`, times are RFC 3339 in UTC, unknown values are `null`, usages are percentages from 0 to 100, and a name ending in `_ms` is in milliseconds. Later versions may add members to an answer but remove none.',
      'A worker id is percent-encoded in a path: `a/b` is `a%2Fb`. An unknown query parameter is an error that names it. HEAD works wherever GET does.',
    ].join('\n'),
  },
  {
    id: 'access',
    title: 'Authentication',
    about: undefined,
    text: 'If the master has tokens (`API_TOKENS`), every request needs one: with the scope `read` to read, with `operate` to change something. Send it as `Authorization: Bearer <token>`; a browser gets a cookie at `/login` instead. Without tokens, anyone may read, but only direct requests from the master’s own machine may change something. Probes need no token.',
    example: `curl -H "Authorization: Bearer $TOKEN" ${ORIGIN}/api/v1/lanes`,
  },
  {
    id: 'paging',
    title: 'Filters, sorting and pages',
    about: '/api/v1/workers',
    text: [
      'Lists come in pages. For the next page follow `Link: <…>; rel="next"`, or send `cursor=<next_cursor>`; the last page has neither. A cursor marks the last worker returned and stays valid while workers come, go and change. In a list sorted by id, a worker that exists throughout is returned exactly once.',
      'A worker must pass all filters: `state=active,suspect`, `group=`, `isolation=dedicated`, `label.zone=a`, `prefix=rack-7-`, and `min.<field>=` or `max.<field>=` (inclusive) for any number, such as `cpu_usage` or `metrics.frames`. A worker without that value does not pass. `fields=` limits each item to the named members.',
      'In lists, filters and the stream, `isolation` is the kind of lane the worker has now. In a worker’s detail, `isolation` is what was asked for: by an operator (`decided`) and by the worker itself (`wished`).',
    ].join('\n'),
    example: `curl -i "${ORIGIN}/api/v1/workers?state=active&min.cpu_usage=90&label.zone=a&sort=-cpu_usage&limit=20"`,
  },
  {
    id: 'conditional',
    title: 'Conditional requests',
    about: '/api/v1/workers',
    text: 'Lists, the cluster and a worker’s detail carry `ETag: W/"<epoch>-<counter>"`. Send it back as `If-None-Match` to get `304 Not Modified` without a body if nothing has changed. The epoch changes whenever the HTTP thread restarts.',
    example: `curl -i -H 'If-None-Match: W/"frir53zq-1204"' ${ORIGIN}/api/v1/workers`,
  },
  {
    id: 'blocking',
    title: 'Waiting for a change',
    about: '/api/v1/workers',
    parameter: 'index',
    text: 'A list carries its revision as `X-Pulselane-Index`. With `index=<index>&wait=30s` the answer is delayed until something in the list has changed or the time is over. An index of another epoch is answered at once.',
    example: `curl -i "${ORIGIN}/api/v1/workers?index=frir53zq-1204&wait=30s"`,
  },
  {
    id: 'streams',
    title: 'Streaming changes',
    about: '/api/v1/stream',
    text: 'A stream of Server-Sent Events starts with a snapshot and continues with changes. The `id` of an event is its revision: a client that reconnects with `Last-Event-ID` gets what it missed, or `event: reset` and a new snapshot if that is too long ago. A slow client gets merged changes, that is only the newest state; one that stops reading is disconnected. After 15 s without an event a comment is sent.',
    example: `curl -N "${ORIGIN}/api/v1/stream?state=active"`,
  },
];
