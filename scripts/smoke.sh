#!/usr/bin/env bash
# The main job, briefly: echo and gethost on every backend, and every scenario
# that ships on one. What is printed must be a run in which nothing was wrong,
# with files that can be verified. Its speed is nobody's business here.
set -euo pipefail
lars=$1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# measure NAME FLAGS...: one run, whose oracle found nothing.
measure() {
	local name=$1 code=0
	shift
	"$lars" bench run "$@" --out "$out/result" >"$out/log" 2>&1 || code=$?
	# 3 says that the figures are not to be used, such as on a machine that is
	# busy; what a server did wrong stands in the result.
	if { [ $code != 0 ] && [ $code != 3 ]; } ||
		! "$lars" bench verify "$out/result" >>"$out/log" 2>&1 ||
		! grep -q '"violations": \[\]' "$out/result/run.json" ||
		grep '"violations": \[' "$out/result/run.json" | grep -qv '\[\]'; then
		echo "smoke: $name: failed"
		cat "$out/log"
		exit 1
	fi
	echo "smoke: $name: ok"
	rm -rf "$out/result"
}

brief="--duration 300ms --warmup 100ms"
for backend in $("$lars" backends --names); do
	for flags in "" "--udp" "--rate 2000" "--workload gethost --modules 100"; do
		measure "$backend ${flags:-tcp}" --backend "$backend" $flags --conns 10 $brief
	done
done
for scenario in $("$lars" bench scenarios --names); do
	fewer=""
	case $scenario in
	idle*) fewer="--idle 200" ;;
	slow*) fewer="--stalled 3" ;;
	push | reportstore) fewer="--conns 5" ;;
	esac
	measure "scenario $scenario" --backend epoll --scenario "$scenario" $fewer $brief
done
