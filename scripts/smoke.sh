#!/usr/bin/env bash
# The main job, briefly, on every backend: what is printed must be a run whose
# every reply was right. Its speed is nobody's business here.
set -euo pipefail
lars=$1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

for backend in $("$lars" backends --names); do
	for flags in "" "--udp" "--rate 2000"; do
		"$lars" bench run --backend "$backend" $flags --conns 10 --duration 300ms --warmup 100ms --out "$out/$backend" >"$out/log" 2>&1 || {
			code=$?
			# 3 says that the figures are not to be used, such as on a machine
			# that is busy; wrong replies are named.
			if [ $code != 3 ] || grep -qiE 'wrong|lost|duplicat|reorder' "$out/log"; then
				cat "$out/log"
				exit 1
			fi
		}
		echo "smoke: $backend ${flags:-tcp}: ok"
		rm -rf "$out/$backend"
	done
done
