// Package alert says what alerting is about: alerts and their states, episodes,
// events, silences, acknowledgements, messages to people, and the Store that keeps
// them. It is pure: no I/O, no clock.
//
// The parts that work with these: package rule has the rules and evaluates them,
// alerting does so on the data's own time, notify decides who is told what, and
// dispatch tells them.
//
// All times are Unix milliseconds; 0 means never. Times of evaluations are of the
// data's clock, times of what people and the platform do are of the server's.
package alert
