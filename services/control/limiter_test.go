package control_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
)

func TestEnrolFailuresArePacedByAddress(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, func(c *control.Config) { c.EnrolFailures, c.EnrolPause = 3, 10*time.Second })
	token := r.token(100)
	enrol := func(address, token string) error {
		_, err := r.EnrolmentService().Enrol(from(t.Context(), address), r.request(token, newKey(t)))
		return err
	}
	wrong := otherToken(r, &token)
	for range 10 { // what succeeds does not count
		must(t, enrol("192.0.2.1", token))
	}
	for range 3 {
		wantFault(t, enrol("192.0.2.1", wrong), fault.Unauthenticated, "token_unknown")
	}
	for range 3 { // what is refused for this reason does not make it longer
		wantFault(t, enrol("192.0.2.1", token), fault.Exhausted, "enrol_rate_limited", "from this address", "wait 10s", "a token that is valid")
	}
	if got := r.refusals("enrol_rate_limited"); got != 3 {
		t.Errorf("counted %v times", got)
	}
	must(t, enrol("192.0.2.2", token)) // another address is another matter
	c.Add(9 * time.Second)
	wantFault(t, enrol("192.0.2.1", token), fault.Exhausted, "enrol_rate_limited")
	c.Add(time.Second)
	for range 5 {
		must(t, enrol("192.0.2.1", token))
	}
	wantFault(t, enrol("192.0.2.1", wrong), fault.Unauthenticated, "token_unknown")
	wantFault(t, enrol("192.0.2.1", token), fault.Exhausted, "enrol_rate_limited")
}

// Only what the caller did wrong counts against its address.
func TestFailuresOfThePlatformDoNotCount(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), func(c *control.Config) { c.EnrolFailures, c.MaxAgents = 1, 1 })
	token := r.token(10)
	r.store.set(func(string, int) error { return errors.New("disk full") })
	for range 3 {
		_, err := r.EnrolmentService().Enrol(from(t.Context(), "192.0.2.1"), r.request(token, newKey(t)))
		if fault.ReasonOf(err) == "enrol_rate_limited" || err == nil {
			t.Fatalf("got %v", err)
		}
	}
	r.store.set(nil)
	for range 3 {
		_, err := r.EnrolmentService().Enrol(from(t.Context(), "192.0.2.1"), r.request(token, newKey(t)))
		wantFault(t, err, fault.Exhausted, "agents_too_many")
	}
}

// An IPv6 host has a whole /64 of addresses; an IPv4 address may come in IPv6 form.
func TestAddressesThatAreOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, first, second string
		same                bool
	}{
		{"one IPv4 address", "192.0.2.1", "192.0.2.1", true},
		{"in IPv6 form", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"neighbours", "192.0.2.1", "192.0.2.2", false},
		{"one /64", "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		{"two /64", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"no address", "", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, newClock(), func(c *control.Config) { c.EnrolFailures = 1 })
			enrol := func(address string) error {
				ctx := t.Context()
				if address != "" {
					ctx = from(ctx, address)
				}
				_, err := r.EnrolmentService().Enrol(ctx, &enrolv1.EnrolRequest{})
				return err
			}
			wantFault(t, enrol(c.first), fault.Unauthenticated, "token_malformed")
			if got := fault.ReasonOf(enrol(c.second)) == "enrol_rate_limited"; got != c.same {
				t.Errorf("%s and %s are one: %v", c.first, c.second, got)
			}
		})
	}
}

// Who comes with more addresses than are remembered has one budget for the rest,
// until the budgets of the first are full again and are forgotten.
func TestFailuresOfManyAddresses(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, func(c *control.Config) { c.EnrolFailures, c.EnrolPause = 2, time.Second })
	fail := func(address string) string {
		_, err := r.EnrolmentService().Enrol(from(t.Context(), address), &enrolv1.EnrolRequest{})
		return fault.ReasonOf(err)
	}
	for i := range control.LimiterKeys {
		if got := fail(fmt.Sprintf("10.0.%d.%d", i/250, i%250)); got != "token_malformed" {
			t.Fatalf("address %d: %s", i, got)
		}
	}
	var got []string
	for i := range 4 {
		got = append(got, fail(fmt.Sprintf("10.1.0.%d", i)))
	}
	want := "[token_malformed token_malformed enrol_rate_limited enrol_rate_limited]"
	if fmt.Sprint(got) != want {
		t.Errorf("addresses beyond the bound: %v, want %s", got, want)
	}
	if got := fail("10.0.0.0"); got != "token_malformed" {
		t.Errorf("an address that is remembered: %s", got)
	}
	c.Add(10 * time.Second)
	got = nil
	for i := range 4 {
		got = append(got, fail(fmt.Sprintf("10.2.0.%d", i)))
	}
	if fmt.Sprint(got) != "[token_malformed token_malformed token_malformed token_malformed]" {
		t.Errorf("after the first were forgotten: %v", got)
	}
}
