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
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/zstdgrpc"
)

// identity is who a simulated agent is.
type identity struct {
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
	conn, err := grpc.NewClient(cfg.Address, grpc.WithTransportCredentials(creds))
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
	id := identity{hostName: fmt.Sprintf("%s-%05d", cfg.Name, number), hostID: randomHex(), spoolID: randomHex()}
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

// dialAgent returns a connection as the agent. It connects when first used.
func dialAgent(address string, id identity) (*grpc.ClientConn, error) {
	config := mtls.ClientConfig(mtls.Options{
		Certificate: func() (*tls.Certificate, error) { return &id.certificate, nil },
		Roots:       func() *x509.CertPool { return id.roots },
	})
	return grpc.NewClient(address,
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
