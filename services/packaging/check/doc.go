// Package check holds the tests of the Kubernetes manifests and the Compose file
// that use the real types: manifests are decoded strictly into k8s.io/api, pods are
// judged by the evaluator of the Pod Security Standards that the API server uses,
// the Compose file goes through the reference loader with its schema.
//
// It is a module of its own: run it with `go test ./...` in this folder, as
// .tools/validate-packaging does. What needs no foreign types is tested in package
// packaging.
package check
