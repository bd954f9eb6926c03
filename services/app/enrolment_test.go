package app

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/esolutions/esmon/services/fault"
)

// TestRefusalOfTheCollectorIsNoneOfTheAgent checks that an agent hears what a control
// node says about it, and not what it says about the collector that asked.
func TestRefusalOfTheCollectorIsNoneOfTheAgent(t *testing.T) {
	t.Parallel()
	refused := grpcstatus.Error(codes.Unauthenticated, "the certificate has ended")
	if err := aboutAgent(refused, metadata.Pairs("esmon-relayed", "1")); grpcstatus.Code(err) != codes.Unauthenticated {
		t.Errorf("about the agent: %v", err)
	}
	if err := aboutAgent(refused, nil); fault.KindOf(err) != fault.Unavailable || fault.ReasonOf(err) != "control_unreachable" {
		t.Errorf("about the collector: %v", err)
	}
	if err := aboutAgent(nil, nil); err != nil {
		t.Errorf("no error: %v", err)
	}
}
