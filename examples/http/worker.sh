#!/usr/bin/env bash
# A worker in bash: reports this machine to a Pulselane master with curl alone.
#
#     ./worker.sh --master http://127.0.0.1:8080 --id bash-1 --interval 10s --group rack-1
#
# It waits longer and longer while the master cannot be reached, tells what the master refuses, and says farewell on SIGTERM
# or Ctrl-C. PULSELANE_TOKEN is its worker token, if the master requires one. It needs bash, curl and Linux's /proc.
# Put measurements of your own into `metrics`.
set -u

master=http://127.0.0.1:8080 id=$HOSTNAME interval=10s group=
while (($# > 0)); do
  case $1 in
    --master | --id | --interval | --group) (($# > 1)) || { echo "$1 needs a value" >&2; exit 2; } ;;
    *) echo "unknown option $1; expected --master, --id, --interval or --group" >&2; exit 2 ;;
  esac
  declare "${1#--}=$2"
  shift 2
done

case $interval in
  *[!0-9smh]* | '') echo "--interval $interval: expected a duration such as 10s, 5m or 1h" >&2; exit 2 ;;
  *s) seconds=${interval%s} ;;
  *m) seconds=$((${interval%m} * 60)) ;;
  *h) seconds=$((${interval%h} * 3600)) ;;
  *) echo "--interval $interval: expected a duration such as 10s, 5m or 1h" >&2; exit 2 ;;
esac
longest_wait=60 # seconds between two attempts while the master is away

# Numbers of your own: "name":number, separated by commas.
metrics() {
  read -r load _ </proc/loadavg
  printf '"load_1m":%s' "$load"
}

# A text as JSON.
quoted() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# A worker id in a path.
escaped() {
  local LC_ALL=C text=$1 at char
  for ((at = 0; at < ${#text}; at++)); do
    char=${text:at:1}
    case $char in
      [a-zA-Z0-9.~_-]) printf %s "$char" ;;
      *) printf '%%%02X' "'$char" ;;
    esac
  done
}

# Busy and total time of all processors since the start of the machine.
cpu_times() {
  local user nice system idle iowait irq softirq steal
  read -r _ user nice system idle iowait irq softirq steal _ </proc/stat
  busy=$((user + nice + system + irq + softirq + steal))
  total=$((busy + idle + iowait))
}

percent() { # of $2 in $1, with two decimals
  local hundredths=$(($2 > 0 ? 10000 * $1 / $2 : 0))
  printf '%d.%02d' $((hundredths / 100)) $((hundredths % 100))
}

memory_usage() {
  local name value total=0 available=0
  while read -r name value _; do
    case $name in
      MemTotal:) total=$value ;;
      MemAvailable:) available=$value ;;
    esac
  done </proc/meminfo
  percent $((total - available)) "$total"
}

heartbeat() {
  local before_busy=$busy before_total=$total
  cpu_times
  printf '{"worker_id":%s,"instance_id":%s,"sequence":%d,' "$(quoted "$id")" "$(quoted "$instance")" "$((++sequence))"
  printf '"cpu_usage":%s,' "$(percent $((busy - before_busy)) $((total - before_total)))"
  printf '"memory_usage":%s,"metrics":{%s},' "$(memory_usage)" "$(metrics)"
  printf '"worker":{"group":%s,"total_cpu":%d}}' "$(quoted "$group")" "$(nproc)"
}

# The token is not on the command line, where other users of the machine would see it.
post() { # path [body]
  local options=(--silent --show-error --max-time 10 --request POST --write-out '\n%{http_code}' --config -)
  [ $# -gt 1 ] && options+=(--header 'Content-Type: application/json' --data-binary "$2")
  printf 'header = "Authorization: Bearer %s"\n' "${PULSELANE_TOKEN:-}" | curl "${options[@]}" "$master$1" 2>&1
}

leave() {
  trap - TERM INT
  kill "$pausing" 2>/dev/null
  answer=$(post "/api/v1/workers/$(escaped "$id")/leave?instance_id=$instance") || true
  echo "farewell: ${answer%$'\n'*}"
  exit 0
}
trap leave TERM INT

instance=$(printf '%x%04x' "$(date +%s)" "$RANDOM") # tells the master that the worker was restarted
sequence=0 wait=1 told= pausing=
cpu_times
while :; do
  body=$(heartbeat) # in a subshell, so its counters are kept here
  cpu_times
  sequence=$((sequence + 1))
  answer=$(post "/api/v1/heartbeats?interval=$interval" "$body")
  status=${answer##*$'\n'} text=${answer%$'\n'*}
  if [ "$status" = 200 ]; then
    pause=$seconds wait=1
    case $text in *'"refused":[]'*) text=accepted ;; esac
  else
    # Up to half of it at random, so that a fleet does not come back all at once.
    pause=$((wait / 2 + RANDOM % (wait / 2 + 1) + 1))
    wait=$((wait * 2 > longest_wait ? longest_wait : wait * 2))
  fi
  [ "$text" != "$told" ] && echo "$text" && told=$text
  # Waits for a child, because bash handles signals only between commands.
  sleep "$pause" &
  pausing=$!
  wait "$pausing"
done
