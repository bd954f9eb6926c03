package collectors

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// MaxAddresses is how many addresses may be configured.
const MaxAddresses = 100

// srvPrefix begins an address that is a name of SRV records.
const srvPrefix = "srv:"

// Address is where collectors are, as it was configured. The zero value is no
// address.
type Address struct {
	// Host is a name or an IP address, without brackets; with SRV the name of the
	// records, such as _esmon._tcp.example.com.
	Host string
	// Port is not used with SRV: the records have it.
	Port uint16
	// SRV says that host and port stand in SRV records.
	SRV bool
}

// ParseAddress reads host:port, an IPv6 address in brackets, or srv:name.
func ParseAddress(text string) (Address, error) {
	if name, ok := strings.CutPrefix(text, srvPrefix); ok {
		if !validHost(name) || strings.ContainsRune(name, ':') {
			return Address{}, fmt.Errorf("%q is no name of SRV records; write srv:_service._tcp.domain, such as srv:_esmon._tcp.example.com", text)
		}
		return Address{Host: name, SRV: true}, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err == nil && validHost(host) {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
			return Address{Host: host, Port: uint16(n)}, nil
		}
	}
	return Address{}, fmt.Errorf("%q is no address; write host:port, such as monitor.example.com:8443", text)
}

// ParseAddresses reads a list of addresses; each may stand once.
func ParseAddresses(texts []string) ([]Address, error) {
	if len(texts) > MaxAddresses {
		return nil, fmt.Errorf("%d addresses are too many, the limit is %d; give one name with several addresses in the DNS", len(texts), MaxAddresses)
	}
	seen := map[Address]bool{}
	out := make([]Address, 0, len(texts))
	for _, text := range texts {
		a, err := ParseAddress(text)
		if err != nil {
			return nil, err
		}
		if seen[a] {
			return nil, fmt.Errorf("%q stands twice; leave one out", text)
		}
		seen[a] = true
		out = append(out, a)
	}
	return out, nil
}

// validHost tells whether the text may be a name in the DNS or an IP address.
func validHost(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsValid()
	}
	if host == "" || len(host) > 253 {
		return false
	}
	for _, c := range host {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// String returns the address as it is written in the configuration.
func (a Address) String() string {
	if a.SRV {
		return srvPrefix + a.Host
	}
	return hostPort(a.Host, a.Port)
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
