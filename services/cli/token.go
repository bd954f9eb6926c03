package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/settings"
)

func tokenCommand(p *Program) *cobra.Command {
	cmd := group("token", "Tokens that agents enrol with")
	cmd.AddCommand(tokenCreate(p), tokenList(p), tokenRevoke(p))
	return cmd
}

func tokenCreate(p *Program) *cobra.Command {
	req := &enrolv1.CreateTokenRequest{}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make an enrolment token; it is shown this once",
		Long:  "Makes an enrolment token and prints it, and nothing else, to standard output.\nGive it to `esmon-agent enroll --server HOST:PORT --token TOKEN`.",
		Args:  noArgs,
	}
	c := connectionFlags(cmd, p)
	uses := countValue(1)
	cmd.Flags().Var(&uses, "uses", "how many agents may enrol with it")
	ttl := durationFlag(cmd, "ttl", time.Hour, "how long it is valid: 30m, 24h, 7d")
	cmd.Flags().StringVar(&req.Description, "description", "", "what it is for")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *ttl < time.Second {
			return usage("--ttl: %s is too short; write 1s or more", *ttl)
		}
		req.Uses, req.TtlSeconds = uint32(uses), int64(*ttl/time.Second)
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			res, err := enrolv1.NewTokenServiceClient(conn).CreateToken(ctx, req)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.Stdout, res.GetSecret())
			return err
		})
	}
	return cmd
}

func tokenList(p *Program) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the enrolment tokens, without their secrets", Args: noArgs}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			all := &enrolv1.ListTokensResponse{}
			for req := (&enrolv1.ListTokensRequest{PageSize: 1000}); ; {
				page, err := enrolv1.NewTokenServiceClient(conn).ListTokens(ctx, req)
				if err != nil {
					return err
				}
				all.Tokens = append(all.Tokens, page.GetTokens()...)
				if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
					break
				}
			}
			return format.print(p.Stdout, all, func() *table { return tokenTable(all.GetTokens()) })
		})
	}
	return cmd
}

func tokenTable(tokens []*enrolv1.Token) *table {
	t := newTable("ID", "USES LEFT", "CREATED", "EXPIRES", "DESCRIPTION")
	for _, k := range tokens {
		t.row(k.GetId(), fmt.Sprint(k.GetUsesLeft()), stamp(k.GetCreateTime()), stamp(k.GetExpireTime()), k.GetDescription())
	}
	return t
}

func tokenRevoke(p *Program) *cobra.Command {
	cmd := &cobra.Command{Use: "revoke ID", Short: "End a token at once; agents that enrolled with it stay", Args: oneArg("the token's ID")}
	c := connectionFlags(cmd, p)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			_, err := enrolv1.NewTokenServiceClient(conn).RevokeToken(ctx, &enrolv1.RevokeTokenRequest{Id: args[0]})
			return err
		})
	}
	return cmd
}

// countValue is a flag that takes a number of things.
type countValue uint32

// Set reads the flag's text.
func (c *countValue) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		return errors.New("write a whole number, 1 or more")
	}
	*c = countValue(n)
	return nil
}

// String returns the number.
func (c *countValue) String() string { return strconv.FormatUint(uint64(*c), 10) }

// Type names the value in help.
func (*countValue) Type() string { return "number" }

// durationValue is a flag that takes days and weeks too, as the configuration does.
type durationValue time.Duration

// Set reads the flag's text.
func (d *durationValue) Set(text string) error {
	v, err := settings.ParseDuration(text)
	if err != nil {
		return err
	}
	*d = durationValue(v)
	return nil
}

// String returns the value; none as "".
func (d *durationValue) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

// Type names the value in help.
func (*durationValue) Type() string { return "duration" }

func durationFlag(cmd *cobra.Command, name string, value time.Duration, help string) *time.Duration {
	d := value
	cmd.Flags().Var((*durationValue)(&d), name, help)
	return &d
}
