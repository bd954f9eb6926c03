package fleetsim

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/zstdgrpc"
)

// identity is who a simulated agent is.
type identity struct {
	number                    int
	hostName, hostID, spoolID string
	certificate               tls.Certificate
	roots                     *x509.CertPool
}

// enrolAll gives each agent of the fleet an identity, over the real protocol.
func enrolAll(ctx context.Context, cfg *Config) ([]identity, error) {
	token, err := mtls.ParseToken(cfg.Token)
	if err != nil {
		return nil, fmt.Errorf("enrol the fleet: %w", err)
	}
	creds := credentials.NewTLS(mtls.PinnedClientConfig(token.Fingerprint, mtls.Options{}))
	where, addresses := target(cfg.Address, 0)
	conn, err := grpc.NewClient(where, addresses, grpc.WithTransportCredentials(creds))
	if err != nil {
		return nil, fmt.Errorf("enrol the fleet at %s: %w", cfg.Address, err)
	}
	defer conn.Close() //nolint:errcheck // nothing to do about it
	client := enrolv1.NewEnrolmentServiceClient(conn)

	ids := make([]identity, cfg.Agents)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range ids {
		group.Go(func() error {
			id, err := enrol(ctx, client, cfg, i)
			if err != nil {
				return fmt.Errorf("enrol agent %d of %d: %w", i+1, cfg.Agents, err)
			}
			ids[i] = id
			return nil
		})
	}
	return ids, group.Wait()
}

func enrol(ctx context.Context, client enrolv1.EnrolmentServiceClient, cfg *Config, number int) (identity, error) {
	id := identity{number: number, hostName: fmt.Sprintf("%s-%05d", cfg.Name, number), hostID: randomHex(), spoolID: randomHex()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return id, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return id, err
	}
	res, err := client.Enrol(ctx, &enrolv1.EnrolRequest{
		Token: cfg.Token, Csr: csr, HostName: id.hostName, HostId: id.hostID, OsType: "linux", Arch: "amd64",
	})
	if err != nil {
		return id, err
	}
	id.certificate = tls.Certificate{Certificate: res.GetChain(), PrivateKey: key}
	id.roots = x509.NewCertPool()
	for _, der := range res.GetRoots() {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return id, fmt.Errorf("parse a root: %w", err)
		}
		id.roots.AddCert(root)
	}
	return id, nil
}

// target returns what leads to the collectors at the addresses, host:port separated
// by commas: the first, or the next one if that does not answer. Which is the first
// depends on the number.
func target(addresses string, number int) (string, grpc.DialOption) {
	list := strings.Split(addresses, ",")
	var state resolver.State
	for i := range list {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: strings.TrimSpace(list[(i+number)%len(list)])})
	}
	r := manual.NewBuilderWithScheme("collectors")
	r.InitialState(state)
	return "collectors:///fleet", grpc.WithResolvers(r)
}

// dialAgent returns a connection as the agent. It connects when first used.
func dialAgent(addresses string, id identity) (*grpc.ClientConn, error) {
	config := mtls.ClientConfig(mtls.Options{
		Certificate: func() (*tls.Certificate, error) { return &id.certificate, nil },
		Roots:       func() *x509.CertPool { return id.roots },
	})
	where, option := target(addresses, id.number)
	return grpc.NewClient(where, option,
		// A collector that was stopped in its tracks closes nothing.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithDefaultCallOptions(grpc.UseCompressor(zstdgrpc.Name), grpc.ForceCodecV2(zstdgrpc.Codec())),
		// After a server's restart the fleet shall be back soon, and not at once.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.5, MaxDelay: time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		// Thousands of connections live in one process: buffers small.
		grpc.WithReadBufferSize(4<<10), grpc.WithWriteBufferSize(8<<10),
	)
}

func randomHex() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
