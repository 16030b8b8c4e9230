#!/usr/bin/env bash
# Replays a session in CI: the exit code is the job's verdict, what was found out is in a directory for the job's artifacts.
#
#   REENACT_TARGET=https://staging.example deploy/ci/replay.sh sessions/monday [options of `reenact replay` …]
#
# REENACT       the program                                    [reenact]
# RUN_DIR       the run directory, kept as an artifact         [reenact-run]
# HEALTH_URL    waited for until it answers 2xx, if given
# HEALTH_WAIT   seconds to wait for it                         [60]
#
# Every REENACT_… variable of `reenact replay` counts, too. Exit codes are those of `reenact replay`: 0 passed, 1 a threshold did
# not hold, 2 refused before anything was sent, 3 done with loss, 4 invalid (this machine was the limit), 130 interrupted.
# Thresholds stand in deploy/ci/budgets.toml or come with --fail-if: junit.xml and summary.md of the run directory say what came
# of each. summary.md is appended to GITHUB_STEP_SUMMARY where that is set.
set -euo pipefail

if [ $# -lt 1 ] || [ "${1#-}" != "$1" ]; then
    echo "usage: deploy/ci/replay.sh SESSION [options of \`reenact replay\`]" >&2
    exit 2
fi
reenact=${REENACT:-reenact}
run_dir=${RUN_DIR:-reenact-run}
if ! command -v "$reenact" >/dev/null 2>&1; then
    echo "error: $reenact is not there; install it, or name it with REENACT" >&2
    exit 2
fi
if [ -e "$run_dir" ]; then
    echo "error: $run_dir is there already; a run has a directory of its own, named with RUN_DIR" >&2
    exit 2
fi

# A deployment that is still starting would be measured as errors.
if [ -n "${HEALTH_URL:-}" ]; then
    deadline=$((SECONDS + ${HEALTH_WAIT:-60}))
    until curl --silent --fail --output /dev/null --max-time 5 "$HEALTH_URL"; do
        if [ $SECONDS -ge $deadline ]; then
            echo "error: $HEALTH_URL does not answer 2xx within ${HEALTH_WAIT:-60} s" >&2
            exit 2
        fi
        sleep 1
    done
fi

session=$1
shift
summary=$(mktemp)
trap 'rm -f "$summary"' EXIT
code=0
"$reenact" replay "$session" --out "$run_dir" --output markdown,junit "$@" | tee "$summary" || code=${PIPESTATUS[0]}

case $code in
0) verdict="passed" ;;
1) verdict="failed: a threshold did not hold" ;;
2) verdict="refused before anything was sent" ;;
3) verdict="done, but with loss" ;;
4) verdict="invalid: this runner, not the target, was the limit" ;;
130) verdict="interrupted" ;;
*) verdict="ended with exit code $code" ;;
esac
echo "reenact: $verdict (exit code $code); the run is in $run_dir" >&2
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    {
        if [ -s "$run_dir/summary.md" ]; then
            cat "$run_dir/summary.md"
        else
            echo "### Replay $verdict"
            printf '```text\n'
            cat "$summary"
            printf '```\n'
        fi
    } >>"$GITHUB_STEP_SUMMARY"
fi
exit "$code"
