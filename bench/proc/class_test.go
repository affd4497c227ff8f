package proc

import "testing"

func TestClass(t *testing.T) {
	intel := Machine{Architecture: "amd64", CPUModel: "Intel(R) Xeon(R) Processor @ 2.50GHz", CPUs: 2, Hypervisor: true, Kernel: "6.18.3-generic"}
	for _, c := range []struct {
		m    Machine
		want string
	}{
		{intel, "amd64-intel-xeon-2.50ghz-2cpu-vm-linux-6.18"},
		{Machine{Architecture: "arm64", CPUs: 4, Kernel: "5.4"}, "arm64-4cpu-metal-linux-5.4"},
		{Machine{Architecture: "amd64", CPUModel: "../ÄMD//EPYC 9V74 80-Core with a name that does not end for a very long time", CPUs: 128}, "ith-a-name-that-does-not-end-for-a-very-long-time-128cpu-metal-linux"},
	} {
		if got := c.m.Class(); got != c.want && len(c.want) <= classBytesMax {
			t.Errorf("%s, want %s", got, c.want)
		} else if len(got) > classBytesMax {
			t.Errorf("%s is longer than %d", got, classBytesMax)
		}
	}
	same := intel
	same.Kernel, same.MemoryBytes = "6.18.9", 1<<33
	if same.Class() != intel.Class() {
		t.Errorf("a patch of the kernel makes another class: %s", same.Class())
	}
	other := intel
	other.CPUs = 4
	if other.Class() == intel.Class() {
		t.Error("four processors are another class than two")
	}
	if here := ReadMachine().Class(); here == "" {
		t.Error("this machine has no class")
	}
}
