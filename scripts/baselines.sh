#!/usr/bin/env bash
# Measures every scenario on every backend, keeps the results below results/,
# and makes their pages again.
#
#   scripts/baselines.sh [MINUTES] [SCENARIO...]     10 minutes, all scenarios
#
# Run it on a machine that does nothing else. A run that turns out invalid is
# made once more. If it is invalid again it is kept, for its reasons, and the
# backends that these do not name are measured without the others.
set -uo pipefail
cd "$(dirname "$0")/.."
lars=bin/lars
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)" # the idle scenarios have thousands of connections
minutes=${1:-10}
shift || true
scenarios=("$@")
[ ${#scenarios[@]} -gt 0 ] || mapfile -t scenarios < <("$lars" bench scenarios --names)
[ ${#scenarios[@]} -gt 0 ] || { echo "baselines: no scenarios; is $lars built? make build"; exit 1; }

# Each scenario has its share of the time: arms times rounds, each with half a
# second of start, warm-up and end.
rounds=${REPEAT:-7}
arms=$(($("$lars" backends --names | wc -l) + 1))
share=$((minutes * 60000 / ${#scenarios[@]} / (arms * rounds)))
duration=$((share > 700 ? share - 500 : 200))
echo "baselines: ${#scenarios[@]} scenarios, $rounds rounds of ${duration}ms on $arms servers, about $minutes minutes"

# measure SCENARIO FLAGS...: one result; its files go to $kept, its text to $log.
measure() {
	local scenario=$1
	shift
	"$lars" bench all --scenario "$scenario" --repeat "$rounds" --duration "${duration}ms" --warmup 200ms --archive "$kept" "$@" >"$log" 2>&1
}

# keep SCENARIO: moves the result to its place.
keep() {
	(cd "$kept" && find . -mindepth 3 -maxdepth 3 -type d) | while read -r run; do
		mkdir -p "results/$(dirname "$run")" && mv "$kept/$run" "results/$run" && echo "baselines: $1: results/${run#./}"
	done
}

# accused: the backends that the reasons for an invalid run name.
accused() {
	sed -n '/^verdict: invalid/,$p' "$log" | grep '^  - ' | grep -v '(degraded)$' | sed 's/^  - \([^:]*\):.*/\1/' | tr -d ' ' | tr , '\n' | sed 's/-alone$//' | sort -u
}

failed=0
for s in "${scenarios[@]}"; do
	kept=$(mktemp -d results/.baseline.XXXXXX) || exit 1
	log=$kept.log
	for attempt in 1 2; do
		rm -rf "${kept:?}"/*
		measure "$s"
		code=$?
		[ $code != 0 ] || break
		echo "baselines: $s: attempt $attempt: exit $code"
		grep -A3 '^verdict' "$log" || tail -3 "$log"
	done
	keep "$s" # also what is invalid: the pages say why, and use none of its figures
	if [ $code = 3 ]; then
		others=$("$lars" backends --names | grep -vxF -f <(accused) | paste -sd,)
		if [[ $others == *,* ]] && measure "$s" --backends "$others"; then
			echo "baselines: $s: valid with $others"
			keep "$s"
			code=0
		fi
	fi
	[ $code = 0 ] || failed=$((failed + 1))
	rm -rf "$kept" "$log"
done
"$lars" bench index results
[ $failed = 0 ] || { echo "baselines: $failed scenarios have no valid result"; exit 1; }
