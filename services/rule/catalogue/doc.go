// Package catalogue has the rules that come with the platform: for hosts, disks,
// agents and the platform itself, with thresholds as parameters. Each rule has its
// tests in the file NAME.test.yaml and its page in docs/runbooks.
//
// Start reading at host.yaml and [Load].
package catalogue
