package cli

import (
	"context"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/fleetsim"
)

// benchCommand returns the commands that measure and test a running server.
func benchCommand(p *Program) *cobra.Command {
	bench := group("bench", "Measure a running server")
	bench.AddCommand(fleetCommand(p))
	return bench
}

// fleetCommand is the simulation's own command, made to find the server and to
// refuse mistakes as the others here do.
func fleetCommand(p *Program) *cobra.Command {
	cmd := fleetsim.Command(p.fleetToken)
	cmd.Args = noArgs
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := cmd.ValidateFlagGroups(); err != nil {
			return usage("%w", err)
		}
		return nil
	}
	if dir := cmd.Flags().Lookup("data-dir"); dir != nil {
		dir.DefValue = p.env("ESMON_DATA_DIR", "./data")
		dir.Usage += " ($ESMON_DATA_DIR)"
		if err := dir.Value.Set(dir.DefValue); err != nil {
			panic("cli: the simulation's --data-dir takes no path: " + err.Error())
		}
	}
	return cmd
}

// fleetToken makes an enrolment token for a simulated fleet.
func (p *Program) fleetToken(ctx context.Context, dataDir string, uses int) (secret string, err error) {
	c := &connection{program: p, dataDir: dataDir, timeout: callTimeout}
	err = c.do(ctx, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		res, err := enrolv1.NewTokenServiceClient(conn).CreateToken(ctx, &enrolv1.CreateTokenRequest{
			Uses: uint32(min(max(uses, 1), 1<<31)), TtlSeconds: 3600, Description: "simulated fleet",
		})
		secret = res.GetSecret()
		return err
	})
	return secret, err
}
