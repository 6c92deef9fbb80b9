#!/usr/bin/env bash
# A script that is a task: reports its progress, how it ended and a metric to the agent of this machine, with curl alone.
#
#     examples/hub.sh [items]
#
# PULSELANE_SOCKET names the agent's socket. Without an agent the script does its work all the same.
set -euo pipefail

items=${1:-4}
socket=${PULSELANE_SOCKET:-/run/pulselane/agent.sock}
task="import-$(date +%s)-$$"

# Shows what is wrong, and never ends the script.
report() {
  curl --silent --show-error --fail-with-body --max-time 2 --unix-socket "$socket" \
    "http://localhost/v1/$1" --data "$2" >/dev/null || true
}

# However the script ends. Of one that is killed, the agent sees that the process is gone: "pid".
finish() {
  local code=$?
  local status=failed
  if [ "$code" -eq 0 ]; then status=finished; fi
  report tasks "{\"task_id\": \"$task\", \"status\": \"$status\", \"exit_code\": $code}"
}
trap finish EXIT

report tasks "{\"task_id\": \"$task\", \"pid\": $$, \"cpu_allocated\": 1}"
for ((done = 1; done <= items; done++)); do
  : # The work.
  report tasks "{\"task_id\": \"$task\", \"progress\": $(awk "BEGIN { print $done / $items }")}"
done
# For a job that runs once a day: kept until the next run.
report lines "{\"metrics\": {\"imported_items\": $items}, \"keep_seconds\": 90000}"
