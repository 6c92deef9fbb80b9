/** What holds for many routes at a time, in words. A guide is shown where the document has the route that it is about. */
export interface Guide {
  readonly id: string;
  readonly title: string;
  /** A path of the document; undefined: it is always shown. */
  readonly about: string | undefined;
  /** A query parameter of that path that it is about; undefined: of none. */
  readonly parameter?: string;
  readonly text: string;
  readonly example?: string;
}

export const GUIDES: readonly Guide[] = [
  {
    id: 'values',
    title: 'Values',
    about: undefined,
    text: [
      'Under `/api/v1` times are RFC 3339 in UTC, what is not known is `null`, usages are percentages from 0 to 100, and a name that ends in `_ms` is in milliseconds. New members may be added to an answer; those that are there stay.',
      'A worker’s id is percent-encoded in a path: `a/b` is `a%2Fb`. A query parameter that there is not is an error that names it. HEAD is answered wherever GET is.',
    ].join('\n'),
  },
  {
    id: 'access',
    title: 'Who may do what',
    about: undefined,
    text: 'With tokens (`API_TOKENS`) each request needs one that has the scope `read`, or `operate` for what changes something: as `Authorization: Bearer <token>`, or as the cookie that a browser gets at `/login`. Without tokens everybody may read, and only requests from the master’s own machine, through no proxy, may change something. Probes are public.',
    example: 'curl -H "Authorization: Bearer $TOKEN" http://localhost:8080/api/v1/lanes',
  },
  {
    id: 'paging',
    title: 'Selecting, sorting, paging',
    about: '/api/v1/workers',
    text: [
      'Lists come in pages. Whoever wants the next one follows `Link: <…>; rel="next"`, or asks with `cursor=<next_cursor>`; there is none behind the last page. A cursor stays valid while workers come, go and change: sorted by id, nobody who is there all the time is left out or told twice.',
      'Filters are joined by "and": `state=active,suspect`, `group=`, `isolation=dedicated`, `label.zone=a`, `prefix=rack-7-`, and `min.<field>=` or `max.<field>=` (inclusive) for any number such as `cpu_usage` or `metrics.frames`; a worker that has no such value does not match. `fields=` asks for those members alone.',
      'In lists, their filter and the stream `isolation` is the kind of lane that a worker has. Which kind it is to have is `isolation` in its detail: what an operator `decided`, and what the worker itself `wished`.',
    ].join('\n'),
    example:
      'curl -i "http://localhost:8080/api/v1/workers?state=active&min.cpu_usage=90&label.zone=a&sort=-cpu_usage&limit=20"',
  },
  {
    id: 'conditional',
    title: 'Asking only for news',
    about: '/api/v1/workers',
    text: 'Lists, the cluster and the detail of a worker carry `ETag: W/"<epoch>-<counter>"`. Sent back as `If-None-Match`, it gets `304 Not Modified` without a body as long as nothing has changed. The epoch is a new one whenever the HTTP thread is started anew.',
    example: 'curl -i -H \'If-None-Match: W/"frir53zq-1204"\' http://localhost:8080/api/v1/workers',
  },
  {
    id: 'blocking',
    title: 'Waiting for news',
    about: '/api/v1/workers',
    parameter: 'index',
    text: 'Lists carry their revision as `X-Pulselane-Index`. With `index=<index>&wait=30s` the answer waits until something in it has changed, or until the time is over. An index of another epoch is answered at once.',
    example: 'curl -i "http://localhost:8080/api/v1/workers?index=frir53zq-1204&wait=30s"',
  },
  {
    id: 'streams',
    title: 'Following what changes',
    about: '/api/v1/stream',
    text: 'A stream of Server-Sent Events begins with a snapshot and goes on with what changes. The `id` of each event is the revision: a client that comes back with `Last-Event-ID` gets what it missed, or `event: reset` and a new snapshot where that is too long ago. Changes are merged for a client that is slow: it gets the newest state, and one that takes nothing is dropped. A comment comes every 15 s.',
    example: 'curl -N "http://localhost:8080/api/v1/stream?state=active"',
  },
];
