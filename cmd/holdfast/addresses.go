package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// addressFlags are those of a process that others talk to.
type addressFlags struct {
	AdvertiseHTTPAddr string `name:"advertise-http-addr" help:"HTTP address that others are told; default: http-addr." placeholder:"HOST:PORT"`
	AdvertisePeerAddr string `help:"Peer address that others are told; default: peer-addr." placeholder:"HOST:PORT"`
}

// check reports everything that is wrong with the addresses listened on and told.
func (f addressFlags) check(http, peer string) error {
	return errors.Join(
		checkPair("http-addr", http, "advertise-http-addr", f.AdvertiseHTTPAddr),
		checkPair("peer-addr", peer, "advertise-peer-addr", f.AdvertisePeerAddr))
}

func checkPair(listenFlag, listen, tellFlag, tell string) error {
	host, err := splitAddress(listen)
	if err != nil {
		return fmt.Errorf("--%s: %w", listenFlag, err)
	}
	if tell == "" {
		if everywhere(host) {
			return fmt.Errorf("--%s %s listens everywhere, which nobody can dial: say with --%s what others should use", listenFlag, listen, tellFlag)
		}
		return nil
	}
	if host, err = splitAddress(tell); err != nil {
		return fmt.Errorf("--%s: %w", tellFlag, err)
	}
	if everywhere(host) {
		return fmt.Errorf("--%s %s: nobody can dial that", tellFlag, tell)
	}
	return nil
}

// splitAddress returns the host of HOST:PORT.
func splitAddress(address string) (host string, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%q: want HOST:PORT", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("%q: want a port from 0 to 65535", address)
	}
	return host, nil
}

// everywhere reports whether the host means all of a machine's addresses.
func everywhere(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}
