// Package packaging holds what operators copy to run the platform: systemd units
// and the configuration of the three-node example, Containerfiles, a Compose file,
// Kubernetes manifests, roles of PostgreSQL, the setup of RabbitMQ, a model of the
// files of alerting, and what to monitor. docs/deployment.md leads through it.
//
// Its tests hold these files to the program: every configuration is one that it
// accepts, every command one that it has, every port the one that others are told,
// and the rights that are granted are enough, on a real PostgreSQL and a real
// RabbitMQ, and no more than that. What needs Kubernetes' and Compose's own types is tested by the module
// in check; .tools/validate-packaging runs everything.
package packaging
