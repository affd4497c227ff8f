#!/usr/bin/env bash
# The regression gate as CI runs it: against the commit that results/BASELINE
# names, printing the verdict. A confirmed regression fails; a gate that abstains,
# or could not measure, says so and is neutral. One that did not work fails, too.
set -uo pipefail
lars=$1
out=${2:-out/gate}
"$lars" bench gate --out "$out/gate.json" --markdown "$out/gate.md"
code=$?
case $code in
0) ;;
1) echo "gate: a confirmed regression. If its cost is accepted on purpose, move results/BASELINE (see CONTRIBUTING.md)." ;;
2 | 3) echo "gate: no verdict (exit $code), which does not fail this run" && code=0 ;;
*) echo "gate: it did not work (exit $code)" ;;
esac
exit $code
