// Package outbound is how receivers call services over HTTP: through the proxy, with
// the site's certificates, without following redirects, reading no more of an answer
// than is needed, and with every outcome turned into an [Error] that says whether to try
// again, when, and what to do. No error has the secret parts of a URL in it.
//
// Start reading at [Client.Do].
package outbound
