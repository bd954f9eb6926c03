// Command backends runs a throwaway RabbitMQ and PostgreSQL on loopback until it is
// told to stop, for trying the platform as several processes:
//
//	backends --brokers 3 --standby
//
// It prints how they are reached, as lines of an environment, and then "ready".
// What they held is removed when it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/esolutions/esmon/services/bus/amqp/amqptest"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
)

func main() {
	brokers := flag.Int("brokers", 1, "how many RabbitMQ nodes form the cluster")
	standby := flag.Bool("standby", false, "run a PostgreSQL standby beside the primary")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *brokers, *standby); err != nil {
		fmt.Fprintln(os.Stderr, "backends:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

func run(ctx context.Context, brokers int, standby bool) (err error) {
	mq, err := amqptest.Start(ctx, amqptest.Options{Nodes: brokers})
	if err != nil {
		return fmt.Errorf("start RabbitMQ: %w", err)
	}
	defer func() { err = errors.Join(err, mq.Close()) }()
	dsn, remove, err := startPostgres(ctx, standby)
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, remove()) }()
	fmt.Printf("ESMON_AMQP_URL=%s\nESMON_POSTGRES_DSN=%s\nready\n", strings.Join(mq.URLs(), ","), dsn)
	<-ctx.Done()
	return nil
}

func startPostgres(ctx context.Context, standby bool) (dsn string, remove func() error, err error) {
	o := pgtest.Options{Durable: true}
	if standby {
		c, err := pgtest.StartCluster(ctx, o)
		if err != nil {
			return "", nil, err
		}
		return c.DSN("postgres"), c.Remove, nil
	}
	s, err := pgtest.StartServer(ctx, o)
	if err != nil {
		return "", nil, err
	}
	return s.DSN("postgres"), s.Remove, nil
}
