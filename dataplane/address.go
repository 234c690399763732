package dataplane

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// ErrAdvertise says that an address cannot be told to other processes.
var ErrAdvertise = errors.New("cannot be advertised")

// checkAddress reports whether addr is a host and a port.
func checkAddress(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %q: want host:port", addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return fmt.Errorf("address %q: port %q is not a number up to 65535", addr, port)
	}
	return nil
}

// checkAdvertised checks a listen address and what is advertised for it, under
// the names of their flags.
func checkAdvertised(listenFlag, listen, advertiseFlag, advertise string) error {
	if err := checkAddress(listen); err != nil {
		return fmt.Errorf("%s: %w", listenFlag, err)
	}
	if advertise == "" {
		if unspecified(listen) {
			return fmt.Errorf("%s: %s listens on every address, which %w: set --%s to one that others reach",
				listenFlag, listen, ErrAdvertise, advertiseFlag)
		}
		return nil
	}
	if err := checkAddress(advertise); err != nil {
		return fmt.Errorf("%s: %w", advertiseFlag, err)
	}
	if unspecified(advertise) {
		return fmt.Errorf("%s: %s %w: name an address that others reach", advertiseFlag, advertise, ErrAdvertise)
	}
	return nil
}

// unspecified reports whether an address names no host: "", 0.0.0.0 or ::.
func unspecified(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsUnspecified()
}

// advertised returns what others dial: advertise, or the address listened on,
// each with the port that was bound where theirs is 0.
func advertised(listen, advertise, bound string) (string, error) {
	if advertise == "" {
		advertise = listen
	}
	host, port, err := net.SplitHostPort(advertise)
	if err != nil {
		return "", fmt.Errorf("advertised address %q: %w", advertise, err)
	}
	if port == "0" {
		if _, port, err = net.SplitHostPort(bound); err != nil {
			return "", fmt.Errorf("bound address %q: %w", bound, err)
		}
	}
	return net.JoinHostPort(host, port), nil
}
