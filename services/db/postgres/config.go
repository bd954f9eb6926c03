package postgres

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/settings"
)

// DSNVariable is the environment variable that operators know the connection
// string by, beside the one that follows from the setting's name.
const DSNVariable = "ESMON_POSTGRES_DSN"

// Config says where the database is and how much of it may be used.
type Config struct {
	// DSN is the connection string:
	// postgres://esmon:PASSWORD@db1,db2/esmon?sslmode=verify-full&sslrootcert=/etc/esmon/db-ca.crt
	// names all servers of a cluster; whichever takes writes is used, and another
	// after a failover. Use sslmode=verify-full: less than that does not prove who
	// answers.
	DSN settings.Secret `yaml:"dsn"`
	// DSNFile is a file that holds the connection string, instead of db.dsn: for
	// secrets that the system hands over as files.
	DSNFile string `yaml:"dsn_file"`
	// MaxConnections is how many connections this process opens for all but queries.
	MaxConnections int
	// MaxSnapshots is how many connections this process opens for queries, each of
	// which holds one while it reads.
	MaxSnapshots int
	// ConnectTimeout is how long connecting to one server may take before the next
	// one is tried.
	ConnectTimeout time.Duration
	// StatementTimeout is how long one statement may run before the server breaks it
	// off.
	StatementTimeout time.Duration
	// LockTimeout is how long a statement may wait for what another process has
	// locked, such as one that was stopped within a transaction.
	LockTimeout time.Duration
	// IdleTransactionTimeout is how long a process may do nothing within a
	// transaction before the server ends it, and with it what it has locked.
	IdleTransactionTimeout time.Duration
}

// DefaultConfig returns the defaults. There is no default database.
func DefaultConfig() Config {
	return Config{
		MaxConnections: 12, MaxSnapshots: 12,
		ConnectTimeout: 5 * time.Second, StatementTimeout: time.Minute,
		LockTimeout: 10 * time.Second, IdleTransactionTimeout: 30 * time.Second,
	}
}

// Validate returns what is wrong, each with what would be right. A missing
// connection string is [Open]'s to refuse: others may choose another database.
func (c *Config) Validate() error {
	var errs []error
	atLeast := func(key string, ok bool, least any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: must be at least %v", key, least))
		}
	}
	atLeast("max_connections", c.MaxConnections >= 4, 4)
	atLeast("max_snapshots", c.MaxSnapshots >= 2, 2)
	atLeast("connect_timeout", c.ConnectTimeout >= time.Second, time.Second)
	atLeast("statement_timeout", c.StatementTimeout >= time.Second, time.Second)
	atLeast("lock_timeout", c.LockTimeout >= 100*time.Millisecond, 100*time.Millisecond)
	atLeast("idle_transaction_timeout", c.IdleTransactionTimeout >= time.Second, time.Second)
	if c.StatementTimeout >= time.Second && c.LockTimeout >= c.StatementTimeout {
		errs = append(errs, fmt.Errorf("lock_timeout: must be below statement_timeout, %s", c.StatementTimeout))
	}
	if c.DSN != "" && c.DSNFile != "" {
		errs = append(errs, errors.New("dsn_file: dsn is set, too; write one of them"))
	}
	if c.DSN != "" {
		if _, err := parseDSN(string(c.DSN)); err != nil {
			errs = append(errs, fmt.Errorf("dsn: %w", err))
		}
	}
	return errors.Join(errs...)
}

// connectionString returns the DSN, read from its file if it is in one.
func (c *Config) connectionString() (string, error) {
	if c.DSNFile == "" {
		if c.DSN == "" {
			return "", fmt.Errorf("no database is named: set db.dsn, db.dsn_file or %s", DSNVariable)
		}
		return string(c.DSN), nil
	}
	text, err := os.ReadFile(c.DSNFile)
	if err != nil {
		return "", fmt.Errorf("read the connection string: %w", err)
	}
	dsn := strings.TrimSpace(string(text))
	if dsn == "" {
		return "", fmt.Errorf("file %s is empty; write a connection string into it", c.DSNFile)
	}
	return dsn, nil
}
