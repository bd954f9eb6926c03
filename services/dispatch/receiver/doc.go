// Package receiver is who is told: Microsoft Teams, e-mail, Slack, PagerDuty,
// ServiceNow, any HTTP server, and the services that shoutrrr knows. Each kind is a
// package below this one.
//
// receivers.yaml says which there are. [Parse] reads it and says of every mistake where
// it is; [New] makes the receivers; the one that is asked by its name takes an
// [alert.Message] and says whether it was taken, or whether and when to try again.
//
// What the kinds share is in packages of its own: outbound calls services over HTTP,
// wording makes texts and keeps foreign ones from doing harm, hostlist folds the names of
// hosts, secret has what nobody is shown, strictyaml reads the file.
//
// Start reading at [Receiver] and [Definition].
package receiver
