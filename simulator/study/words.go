package study

import (
	"fmt"
	"regexp"
	"strings"
)

// reading is the result in words; {S2 classic errors} stands for a figure. A
// paragraph with a figure that was not measured is left out.
func reading() []string {
	return []string{
		"**A dead host.** With one host of ten refusing, the default fails {S2 ewma+hints errors} % of the calls, plain round robin {S2 rr errors} %, " +
			"classic {S2 classic errors} %: it sends every eleventh call to a host that it knows to be dead. With one of fifty that is four times what doing nothing " +
			"would cost ({S3 classic errors} % against {S3 rr errors} %). All algorithms with the outlier layer are within a few hundredths of each other here; the layer does it, not the choice of host.",
		"**Power of two choices alone is dangerous.** Calls that fail at once look like a host without load: {S2 p2c errors} % in S2, {S8 p2c errors} % in S8, worse than random. " +
			"With a host that hangs instead it is the other way round: {S4 p2c errors} % against {S4 rr errors} % of round robin.",
		"**Slow hosts.** Latency is what finds them: with one host slower by 20, p99 is {S6 ewma+hints p99} ms for the default, {S6 prequal+outlier p99} ms for prequal, {S6 p2c+outlier p99} ms for p2c, " +
			"and the time-out for round robin and classic, which fail {S6 classic errors} %. Where a third of the hosts are half as fast (S1), round robin loses {S1 rr errors} %, " +
			"even with ejection {S1 rr+outlier errors} %; all that look at load lose nothing, and weights that tell the truth help round robin just as well ({S1w wrr errors} %).",
		"**Half failures.** A host that fails a fifth of its calls stays in use for ever with classic ({S5 classic errors} %, as round robin: {S5 rr errors} %). Held against its peers it goes out: {S5 ewma+hints errors} %.",
		"**All hosts fail alike.** At 30 % the default keeps all that can be kept ({S7b ewma+hints amplification}); classic loses another fifth (amplification {S7b classic amplification}), " +
			"elb most ({S7b elb amplification}). One caller that sends poison makes elb refuse {S17 elb errors} % of the other callers' calls; with accounts for each caller nobody notices.",
		"**Most hosts die.** Six of ten: {S8 ewma+hints errors} %, most of it the calls that find out, the rest ({S8 ewma+hints leak} %) a probe in fifty calls at most. Elb {S8 elb errors} %, classic {S8 classic errors} %.",
		"**Few calls, and what hints bring.** With one call a second an agent has to pay for each dead host itself: without hints {S9 ewma+outlier errors} % of its calls fail, {S9 classic errors} % of classic's. " +
			"With hints, as the default has them, it is {S9 ewma+hints errors} % (round robin: {S9 rr+hints errors} %), since the first agents' failures count for all. Elsewhere they save a little: {S2 ewma+hints errors} % in S2, {S14 ewma+hints errors} % with a flapping host.",
		"**What hints cost.** The flapping host goes out and in more often ({S14 ewma+hints flips} times a minute, {S14 ewma+outlier flips} without). Where calls are few, a host that is well again is found after {S9 ewma+hints t_recover} s, {S9 ewma+outlier t_recover} s without. Six agents of ten that lie about all hosts cost nothing (S17h: {S17h ewma+hints errors} % errors, " +
			"{S17h ewma+outlier errors} % without). Aimed at three hosts, they move calls away from these: p99 {S17t ewma+hints p99} ms against {S17t ewma+outlier p99} ms, and each failure by chance puts one of them out for a while, but no call more is lost ({S17t ewma+hints errors} % and {S17t ewma+outlier errors} %).",
		"**Restarts.** Announced (drained first) a restart costs {S11a ewma+hints restart_errors} calls with any policy. Not announced, {S11b ewma+hints restart_errors} with the default, {S11b classic restart_errors} with classic. A cold host after it: p99 {S10 ewma+hints p99} ms, classic {S10 classic p99} ms.",
		"**Zones.** With zones known, no call leaves its zone before the fault; classic sends {S15 classic cross_zone} % elsewhere. When the zone's hosts die, locality without ejection is the worst of all ({S15 ewma errors} %), with it {S15 ewma+hints errors} % fail.",
		"**Keys.** Replacing one host of twenty moves {S16 chash+outlier remapped} % of the keys: those of the host that goes, and those that the new one takes. The bound on loads moves far more: with few calls in flight {S16 chash+outlier moved} % of the calls meet another host than the last with their key, without a bound {S16 chash-unbounded moved} %. For caches with little load, switch it off.",
		"**Too many calls.** With three times the calls, half as many again as the hosts can serve, ejection was expected to make it worse. It does not: goodput is {S13 ewma+hints goodput} with it and {S13 ewma goodput} without, round robin {S13 rr+outlier goodput} and {S13 rr goodput}. No host is at fault, so these ejections are wrong by our count; they let queues drain whose calls would be answered too late. Throttling callers is not the balancer's, and not in the study.",
		"**What the default costs.** With equal hosts p50 is {S0 ewma+hints p50} ms, round robin {S0 rr p50} ms; counts are less even (CV {S0 ewma+hints cv} against {S0 rr cv}). It is slower to bring a host back: in S2 half of its share after {S2 ewma+hints t_recover} s, " +
			"{S2 ewma+outlier t_recover} s without hints; classic, which never stops asking, at once. And without hints S9 is a little worse with ejection than without ({S9 ewma+outlier errors} % against {S9 ewma errors} %): avoiding the host leaves too few failures to eject it by.",
		"**How long queues get.** With one host slower by 20 (S6) round robin and classic let {S6 rr in_flight_max} calls pile up at it, a time-out's worth, and ejection alone does not prevent that ({S6 rr+outlier in_flight_max}); the default {S6 ewma+hints in_flight_max}, prequal {S6 prequal+outlier in_flight_max}. " +
			"Where a third of the hosts are half as fast (S1), the fullest hundredth of queues has {S1 prequal+outlier in_flight_p99} calls with prequal, {S1 ewma+hints in_flight_p99} with the default, {S1 p2c+outlier in_flight_p99} with p2c, {S1 rr+outlier in_flight_p99} with round robin and ejection. With equal hosts (S0) all are alike " +
			"({S0 ewma+hints in_flight_max} at most with the default, {S0 rr in_flight_max} with round robin) but for those that leave it to chance: random {S0 random in_flight_max}, chash without a bound {S0 chash-unbounded in_flight_max}.",
		"**Does anybody herd?** The literature warns that all who look at the same load run to the same host. Nobody does here: the calls that a host gets in a tenth of a second vary less than by chance (1) with all that look at load, {S0 ewma+hints herd} with the default, {S0 prequal+outlier herd} with prequal. Round robin is the steadiest ({S0 rr herd}). " +
			"Above chance are the original's lists when all agents start together (S12: {S12 classic herd}), and chash without a bound while hosts differ (S1: {S1 chash-unbounded herd}).",
		"**What an ejection takes, and costs.** Of a host that refuses (S2) an agent sees {S2 rr+outlier errors_to_eject} failures until it takes it out, {S2 classic errors_to_eject} with classic; with hints {S2 ewma+hints errors_to_eject}, since others have told. One that fails a fifth of its calls (S5) takes {S5 ewma+hints errors_to_eject}, {S5 classic errors_to_eject} with classic, which never takes it out. " +
			"Then {S2 ewma+hints probes} % of the calls are probes in S2, {S2 classic probes} % of classic's. No policy sends messages for its picks, prequal neither: what it probes is what answers told. Hints do: {S2 ewma+hints messages} for a thousand calls in S2, {S14 ewma+hints messages} with a flapping host, and {S9 ewma+hints messages} where there are but twenty calls a second in all. " +
			"What a pick costs in time and a host in memory is the machine's to say: `go test -run '^$' -bench 'Picks|Memory' ./system/balance`.",
		"**Clocks.** A wall clock that goes back by an hour was expected to keep hosts out for an hour with classic and elb. At this rate it is not seen: fifteen good probes free a host whatever the clock says " +
			"(classic keeps it out {S19 classic kept_out} s after it is well, elb {S19 elb kept_out} s; the default, which waits for its ejection time and then probes, {S19 ewma+hints kept_out} s, without hints {S19 ewma+outlier kept_out} s). The default's time is monotonic: a test holds that a step changes nothing.",
		"**A stale route.** Ten minutes without dns and with a host replaced: {S20 ewma+outlier errors} % of the calls fail (without hints, which need dns), round robin {S20 rr errors} %, classic {S20 classic errors} %.",
		"**Where the simulator of the pilot differs.** The order is the same nearly everywhere, and figures that follow from the algorithm alone (S2, S4, S6) agree. Those that hang on how many calls an agent sees in a window (S7b, S9, S1) differ, for the list does not say how many agents there were.",
	}
}

var figure = regexp.MustCompile(`\{(\S+) ([^{}]+) (\S+)\}`)

func (t *Table) words(b *strings.Builder) {
	fmt.Fprint(b, "\n## In plain words\n\n")
	for _, text := range reading() {
		missing := false
		text = figure.ReplaceAllStringFunc(text, func(s string) string {
			x := figure.FindStringSubmatch(s)
			c := t.Cell(x[1], x[2])
			for m := range metrics {
				if i := m.Info(); i.ID == x[3] && c != nil {
					return fmt.Sprintf("%.*f", i.Digits, c.Values[m].Mean)
				}
			}
			missing = true
			return s
		})
		if !missing {
			fmt.Fprintf(b, "* %s\n", text)
		}
	}
}
