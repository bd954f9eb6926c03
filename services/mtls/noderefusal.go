package mtls

import (
	"crypto/x509"
	"errors"
	"time"
)

// nodeMessages are what to do about refusals between nodes, where [Explain] would
// speak of agents.
var nodeMessages = map[string]string{
	ReasonUnknownCA: "one side does not know the CA of the other's certificate: the nodes belong to different platforms, or one joined an authority that was replaced; remove its node directory and join it anew (esmon node token create)",
	ReasonUsage:     "the certificate is not for this use: between nodes both sides need a node's; join that node anew (esmon node token create)",
	ReasonRejected:  "the other side refused this connection; its log says why. Most likely the address is not the internal one (cluster.address) of a node, or this node's certificate is not accepted there",
	ReasonMissing:   "this port is for nodes and no certificate was shown: join the node first (esmon node token create)",
	ReasonPin:       "the CA of that node is not the one that the join token names: the token is of another platform, or somebody stands between; nothing was sent. Make a token on this platform (esmon node token create)",
}

// ExplainNode is [Explain] for connections between nodes.
func ExplainNode(err error, now time.Time) *Refusal {
	r := Explain(err, now)
	if r == nil {
		return nil
	}
	if r.Reason == ReasonExpired || r.Reason == ReasonNotYetValid {
		return explainNodeTime(r, now)
	}
	if message, ok := nodeMessages[r.Reason]; ok {
		return &Refusal{Reason: r.Reason, Message: message, Err: err}
	}
	return r
}

func explainNodeTime(r *Refusal, now time.Time) *Refusal {
	e, ok := errors.AsType[x509.CertificateInvalidError](r)
	if !ok || e.Cert == nil {
		return refuse(r.Reason, r, "the other side says that this node's certificate is over or not valid yet: compare the clocks; if they are right, see this node's log, as nodes renew theirs by themselves while a control node can be reached")
	}
	if r.Reason == ReasonNotYetValid {
		return r // it speaks of clocks only
	}
	return refuse(r.Reason, r, "the certificate%s ended%s, it is now %s here: compare the clocks; if they are right, that node could reach no control node for long: remove its node directory and join it anew (esmon node token create)",
		subject(e.Cert), ended(e.Cert), stamp(now))
}
