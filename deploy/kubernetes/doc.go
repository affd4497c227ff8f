// Package kubernetes holds manifests. It has no code but the test that checks
// them against the types of the Kubernetes API, strictly: an unknown or
// misspelt field, or one of the wrong type, fails.
package kubernetes
