package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
	"github.com/holdfast-io/holdfast/scripts/internal/load"
)

// system is one competitor: processes that can be stopped while another is
// measured.
type system struct {
	name      string
	dialect   load.Dialect
	targets   []string
	processes []*cluster.Process
	stores    bool                        // keeps what it is given
	whole     func(context.Context) error // waits until it is well
}

func (s *system) close() {
	for _, p := range s.processes {
		if p.Paused() {
			_ = p.Resume()
		}
	}
	for _, p := range s.processes {
		p.End(5 * time.Second)
	}
}

func (s *system) pause() error {
	var errs []error
	for _, p := range s.processes {
		errs = append(errs, p.Pause())
	}
	return errors.Join(errs...)
}

func (s *system) resume() error {
	var errs []error
	for _, p := range s.processes {
		errs = append(errs, p.Resume())
	}
	return errors.Join(errs...)
}

// startSystems starts all, each whole before the next. What it returns is to be
// closed also if there is an error.
func startSystems(ctx context.Context, names []string, dir string, nodes int, nodeFlags []string) ([]*system, error) {
	var out []*system
	for _, name := range names {
		var s *system
		var err error
		switch name {
		case "holdfast":
			s, err = newHoldfast(filepath.Join(dir, name), nodes, nodeFlags)
		case "etcd":
			s, err = newEtcd(ctx, filepath.Join(dir, name))
			if errors.Is(err, errNoEtcd) {
				fmt.Println(err)
				continue
			}
		case "handler":
			s, err = newHandler(filepath.Join(dir, name))
		default:
			err = fmt.Errorf("system %q: want holdfast, etcd or handler", name)
		}
		if err != nil {
			return out, err
		}
		out = append(out, s)
		for _, p := range s.processes {
			if err := p.Start(); err != nil {
				return out, err
			}
		}
		starting, cancel := context.WithTimeout(ctx, time.Minute)
		err = s.whole(starting)
		cancel()
		if err != nil {
			return out, fmt.Errorf("%s: %w", name, err)
		}
		if err := s.pause(); err != nil {
			return out, err
		}
	}
	return out, nil
}

func newHoldfast(dir string, nodes int, nodeFlags []string) (*system, error) {
	binary, err := cluster.Binary()
	if err != nil {
		return nil, err
	}
	c, err := cluster.New(cluster.Options{Binary: binary, Dir: dir, Nodes: nodes, NodeFlags: nodeFlags})
	if err != nil {
		return nil, err
	}
	dialect, err := load.DialectOf("holdfast")
	if err != nil {
		return nil, err
	}
	s := &system{name: "holdfast", dialect: dialect, targets: c.HTTPAddresses(), stores: true, whole: c.WaitWhole}
	for _, m := range c.Members() {
		s.processes = append(s.processes, m.Process)
	}
	return s, nil
}

func newHandler(dir string) (*system, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addresses, err := cluster.FreeAddresses(1)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	dialect, err := load.DialectOf("holdfast")
	if err != nil {
		return nil, err
	}
	p := &cluster.Process{Name: "handler", Args: []string{self, handlerCommand, addresses[0]}, Log: filepath.Join(dir, "handler.log")}
	s := &system{name: "handler", dialect: dialect, targets: addresses, processes: []*cluster.Process{p}}
	s.whole = func(ctx context.Context) error { return answers(ctx, s) }
	return s, nil
}

var errNoEtcd = errors.New("etcd is not on this machine (Debian: apt-get install etcd-server): measuring without it")

// newEtcd is three members with etcd's defaults, but for the size of the store:
// the history of a long run would reach its limit.
func newEtcd(ctx context.Context, dir string) (*system, error) {
	binary, err := exec.LookPath("etcd")
	if err != nil {
		if binary, err = installEtcd(ctx); err != nil {
			return nil, err
		}
	}
	addresses, err := cluster.FreeAddresses(6)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	dialect, err := load.DialectOf("etcd")
	if err != nil {
		return nil, err
	}
	var initial []string
	for i := range 3 {
		initial = append(initial, fmt.Sprintf("e%d=http://%s", i+1, addresses[3+i]))
	}
	s := &system{name: "etcd", dialect: dialect, targets: addresses[:3], stores: true}
	for i := range 3 {
		name := "e" + strconv.Itoa(i+1)
		client, peer := "http://"+addresses[i], "http://"+addresses[3+i]
		s.processes = append(s.processes, &cluster.Process{Name: name, Log: filepath.Join(dir, name+".log"), Args: []string{
			binary, "--name", name, "--data-dir", filepath.Join(dir, name),
			"--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--initial-cluster", strings.Join(initial, ","), "--initial-cluster-state", "new",
			"--quota-backend-bytes", strconv.Itoa(8 << 30)}})
	}
	s.whole = func(ctx context.Context) error { return answers(ctx, s) }
	return s, nil
}

func installEtcd(ctx context.Context) (string, error) {
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return "", errNoEtcd
	}
	fmt.Println("etcd is not here; installing Debian's etcd-server")
	install := exec.CommandContext(ctx, apt, "install", "-y", "-qq", "etcd-server")
	// No service is started: the benchmark runs members of its own.
	install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", errNoEtcd, out)
	}
	return exec.LookPath("etcd")
}

// answers waits until every target has done 20 writes in a row.
func answers(ctx context.Context, s *system) error {
	for {
		r, err := load.Run(ctx, load.Config{Targets: s.targets, Dialect: s.dialect, Connections: len(s.targets),
			Count: uint64(20 * len(s.targets)), Keys: 100, KeyPrefix: "warm-", Timeout: 5 * time.Second})
		if err == nil && r.Failed() == 0 {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("requests fail: %v", r.Errors)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}
