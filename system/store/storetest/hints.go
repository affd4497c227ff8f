package storetest

import (
	"time"

	"lars/system/store"
)

func hintCases() []Case {
	return []Case{
		{Name: "SuspicionsAreCounted", Check: suspicionsCounted},
		{Name: "SuspicionsEnd", Check: suspicionsEnd},
		{Name: "SuspicionsOfNobody", Check: suspicionsOfNobody},
		{Name: "SuspicionsByHand", Check: suspicionsByHand, SQL: true},
	}
}

func mustSuspicions(t T, st store.Store, now time.Time) []store.Suspicion {
	t.Helper()
	found, err := st.Suspicions(t.Context(), now)
	if err != nil {
		t.Fatalf("Suspicions: %v", err)
	}
	return found
}

// word is an agent's n-th report: what it says of host (last, port 80).
func word(agent, n uint64, m store.Module, last byte, says store.Word) store.Report {
	return store.Report{
		Mark: store.Mark{Boot: agent, Number: n}, Module: m, At: epoch, Sharing: true,
		Results: []store.Result{{Host: host(last, 80), Suspect: says}},
	}
}

func suspicion(m store.Module, last byte, by, of uint32) store.Suspicion {
	return store.Suspicion{Module: m, Host: host(last, 80), By: by, Of: of}
}

func suspicionsCounted(t T, b *Backend) {
	const far = 1<<64 - 1 // an id that is negative as a number of the database
	m, other := module(1, 1), module(1, 2)
	mustSave(t, b.Store,
		word(far, 1, m, 1, store.Suspected), word(2, 1, m, 1, store.Suspected), word(2, 2, m, 2, store.Suspected),
		word(3, 1, m, 1, store.Nothing), word(3, 2, other, 9, store.Suspected))
	both := word(4, 1, m, 1, store.Suspected)
	both.Results = append(both.Results, store.Result{Host: host(1, 80), Suspect: store.Cleared})
	mustSave(t, b.Again(), both)
	wantEqual(t, "suspicions", mustSuspicions(t, b.Store, epoch), []store.Suspicion{
		suspicion(m, 1, 2, 4), suspicion(m, 2, 1, 4), suspicion(other, 9, 1, 1),
	})
	mustSave(t, b.Store, word(far, 2, m, 1, store.Nothing), word(2, 3, m, 1, store.Cleared), word(2, 4, m, 2, store.Suspected))
	wantEqual(t, "repeated", mustSave(t, b.Store, word(2, 1, m, 1, store.Suspected)).Repeated, 1)
	wantEqual(t, "one is cleared", mustSuspicions(t, b.Again(), epoch), []store.Suspicion{
		suspicion(m, 1, 1, 4), suspicion(m, 2, 1, 4), suspicion(other, 9, 1, 1),
	})
}

func suspicionsEnd(t T, b *Backend) {
	m := module(1, 1)
	later := word(2, 1, m, 2, store.Suspected)
	later.At = epoch.Add(store.SharingKeep)
	mustSave(t, b.Store, word(1, 1, m, 1, store.Suspected), later)
	for _, c := range []struct {
		after time.Duration
		want  []store.Suspicion
	}{
		{-store.SuspectKeep, []store.Suspicion{suspicion(m, 1, 1, 1)}},
		{-store.SuspectKeep - time.Second, nil}, // told in what is the future
		{0, []store.Suspicion{suspicion(m, 1, 1, 2)}},
		{store.SuspectKeep - time.Second, []store.Suspicion{suspicion(m, 1, 1, 2)}},
		{store.SuspectKeep, nil},
		{store.SharingKeep - time.Second, []store.Suspicion{suspicion(m, 2, 1, 2)}},
		{store.SharingKeep, []store.Suspicion{suspicion(m, 2, 1, 1)}},
	} {
		wantEqual(t, c.after.String(), mustSuspicions(t, b.Store, epoch.Add(c.after)), c.want)
	}
	over := epoch.Add(store.SuspectKeep)
	wantEqual(t, "trimmed too early", mustTrim(t, b.Store, store.TrimLimits{Hints: over}), store.Trimmed{})
	wantEqual(t, "trimmed", mustTrim(t, b.Store, store.TrimLimits{Hints: over.Add(time.Second)}), store.Trimmed{Hints: 1})
	wantEqual(t, "all", mustTrim(t, b.Store, store.TrimLimits{Hints: epoch.Add(time.Hour)}), store.Trimmed{Hints: 3})
}

// The original's agents, and hosts and modules that are none, say nothing.
func suspicionsOfNobody(t T, b *Backend) {
	bad := word(1, 1, module(1, 1), 1, store.Suspected)
	bad.Results[0].Host.Port = 0
	mustSave(t, b.Store, word(0, 0, module(1, 1), 1, store.Suspected), word(1, 2, module(-1, 1), 1, store.Suspected),
		bad, word(1, 3, module(1, 1), 1, store.Word(7)))
	wantEqual(t, "suspicions", len(mustSuspicions(t, b.Store, epoch)), 0)
	mustSave(t, b.Store, word(1, 4, module(1, 1), 1, store.Suspected))
	wantEqual(t, "one", mustSuspicions(t, b.Store, epoch), []store.Suspicion{suspicion(module(1, 1), 1, 1, 1)})
}

func suspicionsByHand(t T, b *Backend) {
	const insert = "INSERT INTO HostSuspect (modid, cmdid, ip, port, agent, until_s) VALUES (?, ?, ?, ?, 1, ?)"
	until := epoch.Unix() + 1
	mustExec(t, b, insert, 1, 1, 0, 80, until)
	mustExec(t, b, insert, -1, 1, 5, 80, until)
	mustExec(t, b, insert, 1, 1, 5, 65536, until)
	mustExec(t, b, insert, 1, 1, 5, 80, until)
	wantEqual(t, "suspicions", mustSuspicions(t, b.Store, epoch), []store.Suspicion{
		{Module: module(1, 1), Host: store.Host{IP: 5, Port: 80}, By: 1, Of: 1},
	})
}
