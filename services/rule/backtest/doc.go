// Package backtest runs rules over stored history: it says when they would have
// fired, for how long and on which hosts. It takes the very steps that live
// evaluation takes, in package eval, but gets the data of many times at once.
//
// Start reading at [Run].
package backtest
