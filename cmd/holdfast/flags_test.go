package main

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/alecthomas/kong"
)

// notConfig are the flags of servers that are not for the server's configuration:
// of the process, or of how the command itself behaves.
var notConfig = map[string]bool{
	"help": true, "config": true, "log-level": true, "log-format": true, "profile-addr": true, "leave-timeout": true,
}

// Every flag of a server changes the configuration that it starts with. A flag that
// is not passed on would be accepted, and do nothing.
func TestEveryFlagReachesTheConfiguration(t *testing.T) {
	t.Parallel()
	t.Run("node", func(t *testing.T) {
		t.Parallel()
		eachFlag(t, "node", []string{"--id", "n1", "--data-dir", "/d", "--coordinators", "a:1"}, func(line *commandLine) any {
			c := line.Node.config(&terminal{err: &bytes.Buffer{}}, nil)
			c.Registerer, c.Gatherer, c.Logger = nil, nil, nil
			c.Failed = nil
			return c
		})
	})
	t.Run("coordinator", func(t *testing.T) {
		t.Parallel()
		eachFlag(t, "coordinator", []string{"--id", "c1", "--data-dir", "/d", "--initial-cluster", "c1=a:1"}, func(line *commandLine) any {
			c := line.Coordinator.config(&terminal{err: &bytes.Buffer{}})
			c.Registerer, c.Gatherer, c.Logger = nil, nil, nil
			return c
		})
	})
}

// eachFlag gives one flag of a command after another a value that is not its
// default, and wants another configuration.
func eachFlag(t *testing.T, command string, required []string, config func(*commandLine) any) {
	t.Helper()
	configOf := func(more ...string) any {
		line, err := probe(t, append(append([]string{command}, required...), more...)...)
		if err != nil {
			t.Fatalf("%v: %v", more, err)
		}
		return config(line)
	}
	usual, tried := configOf(), 0
	for _, flag := range flagsOf(t, command) {
		if notConfig[flag.Name] {
			continue
		}
		tried++
		if got := configOf("--"+flag.Name, another(flag)); reflect.DeepEqual(got, usual) {
			t.Errorf("--%s %s changes nothing", flag.Name, another(flag))
		}
	}
	if tried < 10 {
		t.Errorf("only %d flags were tried", tried)
	}
}

func flagsOf(t *testing.T, command string) []*kong.Flag {
	t.Helper()
	for _, c := range newParser(&commandLine{}, &bytes.Buffer{}, &bytes.Buffer{}).Model.Children {
		if c.Name == command {
			return c.Flags
		}
	}
	t.Fatalf("there is no command %s", command)
	return nil
}

// another is a value for a flag that is not its default.
func another(flag *kong.Flag) string {
	switch flag.Target.Interface().(type) {
	case map[string]string:
		return "c9=z:9"
	case size:
		return "77MiB"
	case int:
		return "7"
	}
	if flag.Target.Type().String() == "time.Duration" {
		return "77s"
	}
	return "z:9"
}
