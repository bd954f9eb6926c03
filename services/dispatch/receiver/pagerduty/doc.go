// Package pagerduty opens and closes incidents in PagerDuty by its Events API v2. The
// messages of one thread are one incident.
//
// Start reading at [Receiver.Send].
package pagerduty
