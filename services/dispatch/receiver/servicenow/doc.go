// Package servicenow opens, updates and resolves incidents in ServiceNow by its Table
// API. The messages of one thread are one incident: its correlation_id names the thread,
// its correlation_display the message that was told last, so that one that comes twice is
// told once.
//
// Start reading at [Receiver.Send].
package servicenow
