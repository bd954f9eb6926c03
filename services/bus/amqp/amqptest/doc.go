// Package amqptest runs throwaway RabbitMQ brokers for tests and for the chaos
// run: one node or a cluster, on the loopback interface, with their own
// directories, ports, cookie and port mapper (epmd). It does to them what the
// world does: stop, kill, pause, cut the network between two nodes, fill the
// disk, delete a stream.
//
// Begin with [Start]; a test calls [Run]. Everything started ends with Close, and
// also when the process that started it is killed.
//
// It needs RabbitMQ's scripts and Erlang's erl_call (Debian: rabbitmq-server).
// Started by root, the brokers run as the user rabbitmq; otherwise as the current
// user.
package amqptest
