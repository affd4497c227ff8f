#!/usr/bin/env bash
# Measures every scenario on every backend, keeps the results below results/,
# and makes their pages again.
#
#   scripts/baselines.sh [MINUTES] [SCENARIO...]     10 minutes, all scenarios
#
# Run it on a machine that does nothing else. A run that turns out invalid is
# made once more, and then left out with a word why.
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

failed=0
for s in "${scenarios[@]}"; do
	for attempt in 1 2; do
		kept=$(mktemp -d results/.baseline.XXXXXX) || exit 1
		log=$kept.log
		"$lars" bench all --scenario "$s" --repeat "$rounds" --duration "${duration}ms" --warmup 200ms --archive "$kept" >"$log" 2>&1
		code=$?
		if [ $code = 0 ]; then
			(cd "$kept" && find . -mindepth 3 -maxdepth 3 -type d) | while read -r run; do
				mkdir -p "results/$(dirname "$run")" && mv "$kept/$run" "results/$run" && echo "baselines: $s: results/${run#./}"
			done
		else
			echo "baselines: $s: attempt $attempt: exit $code"
			grep -A3 '^verdict' "$log" || tail -3 "$log"
		fi
		rm -rf "$kept" "$log"
		[ $code != 0 ] || break
		[ $attempt = 1 ] || failed=$((failed + 1))
	done
done
"$lars" bench index results
[ $failed = 0 ] || { echo "baselines: $failed scenarios have no result"; exit 1; }
