package kubernetes

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const manifest = "bench-workers.yaml"

// decode reads a manifest strictly: unknown and doubled fields are errors.
func decode(raw []byte) (s core.Service, j batch.Job, err error) {
	docs := bytes.Split(raw, []byte("\n---\n"))
	if err = yaml.UnmarshalStrict(docs[0], &s); err == nil {
		err = yaml.UnmarshalStrict(docs[len(docs)-1], &j)
	}
	return s, j, err
}

func read(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestBenchWorkers(t *testing.T) {
	s, j, err := decode(read(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.APIVersion != "v1" || s.Kind != "Service" || j.APIVersion != "batch/v1" || j.Kind != "Job" {
		t.Fatalf("%s %s, %s %s", s.APIVersion, s.Kind, j.APIVersion, j.Kind)
	}
	pod := j.Spec.Template
	if s.Spec.ClusterIP != core.ClusterIPNone || !s.Spec.PublishNotReadyAddresses {
		t.Error("the Service is not headless, or hides pods that wait")
	}
	if pod.Spec.Subdomain != s.Name {
		t.Errorf("the pods are in the domain of %q, the Service is %q: they have no names", pod.Spec.Subdomain, s.Name)
	}
	for k, v := range s.Spec.Selector {
		if pod.Labels[k] != v {
			t.Errorf("the Service selects %s=%s, the pods have %q", k, v, pod.Labels[k])
		}
	}
	if *j.Spec.CompletionMode != batch.IndexedCompletion || *j.Spec.Completions != *j.Spec.Parallelism || *j.Spec.BackoffLimit != 0 {
		t.Error("not an Indexed Job of which all pods run at once, and none again")
	}
	if pod.Spec.RestartPolicy != core.RestartPolicyNever {
		t.Errorf("restart policy %s", pod.Spec.RestartPolicy)
	}
	checkContainer(t, s, pod.Spec)
}

func checkContainer(t *testing.T, s core.Service, pod core.PodSpec) {
	t.Helper()
	c := pod.Containers[0]
	if s.Spec.Ports[0].Port != c.Ports[0].ContainerPort || !slices.Contains(c.Args, "0.0.0.0:7070") || c.Ports[0].ContainerPort != 7070 {
		t.Error("Service, pod and command name different ports")
	}
	for name, limit := range c.Resources.Limits {
		if request := c.Resources.Requests[name]; request.Cmp(limit) != 0 {
			t.Errorf("%s: request %v, limit %v: no processors of its own", name, &request, &limit)
		}
	}
	v, m := pod.Volumes[0], c.VolumeMounts[0]
	if v.Name != m.Name || v.Secret == nil || *v.Secret.DefaultMode != 0o444 || !slices.ContainsFunc(c.Args, func(a string) bool { return strings.HasPrefix(a, m.MountPath+"/") }) {
		t.Error("the token is not where the command looks for it")
	}
}

// TestStrict makes sure that the check can fail.
func TestStrict(t *testing.T) {
	good := string(read(t))
	for old, repl := range map[string]string{
		"completionMode:":     "completionmode2:",
		"clusterIP: None":     "clusterIP: [None]",
		"completions: 4":      "completions: four",
		"restartPolicy:":      "restartPolicy: Never\n      restartPolicy:",
		"runAsUser: 65534":    "runAsUser: nobody",
		"memory: 512Mi":       "memory: 512Mio",
		"secretName: ":        "secretname2: ",
		"containerPort: 7070": "containerPort: \"7070\"",
	} {
		bad := strings.Replace(good, old, repl, 1)
		if bad == good {
			t.Fatalf("%q is not in the manifest", old)
		}
		if _, _, err := decode([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", repl)
		}
	}
}
