package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// probe parses arguments as run does, and stops before the command.
func probe(t testing.TB, args ...string) (*commandLine, error) {
	t.Helper()
	line := &commandLine{}
	_, err := newParser(line, &bytes.Buffer{}, &bytes.Buffer{}).Parse(args)
	return line, err
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holdfast.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Flag before environment before file before default, for each of the four.
func TestPrecedence(t *testing.T) {
	path := file(t, "id: from-file\ndata-dir: /file\nzone: from-file\nhttp-addr: 127.0.0.1:1\ncoordinators: [a:1, b:2]\nmemory-table: 64MiB\ndisk-reserve: 1GiB\n")
	t.Setenv("HOLDFAST_ID", "from-environment")
	t.Setenv("HOLDFAST_DATA_DIR", "/environment")
	line, err := probe(t, "node", "--config", path, "--id", "from-flag")
	if err != nil {
		t.Fatal(err)
	}
	n := line.Node
	if n.ID != "from-flag" || n.DataDir != "/environment" || n.Zone != "from-file" || n.HTTPAddr != "127.0.0.1:1" ||
		n.PeerAddr != "127.0.0.1:7071" || strings.Join(n.Coordinators, " ") != "a:1 b:2" || n.MemoryTable != 64<<20 || n.LogRetention != 256<<20 ||
		n.DiskReserve != 1<<30 || n.BodyMemory != 256<<20 || n.InboxMemory != 64<<20 {
		t.Errorf("%+v", n)
	}
}

func TestTheFileMayComeFromTheEnvironment(t *testing.T) {
	t.Setenv("HOLDFAST_CONFIG", file(t, "node: {id: n1, data-dir: /d, coordinators: 'a:1,b:2'}\ncoordinator: {partitions: 16}\n"))
	line, err := probe(t, "node")
	if err != nil || line.Node.ID != "n1" || len(line.Node.Coordinators) != 2 {
		t.Errorf("%+v, %v", line.Node, err)
	}
	line, err = probe(t, "coordinator", "--id", "c1", "--data-dir", "/d", "--initial-cluster", "c1=a:1,c2=b:2,c3=c:3")
	if err != nil || line.Coordinator.Partitions != 16 || line.Coordinator.InitialCluster["c2"] != "b:2" {
		t.Errorf("%+v, %v", line.Coordinator, err)
	}
}

func TestInitialClusterMayBeAMapping(t *testing.T) {
	t.Parallel()
	path := file(t, "id: c1\ndata-dir: /d\ninitial-cluster:\n  c1: a:1\n  c2: b:2\nlog-level: debug\n")
	line, err := probe(t, "coordinator", "--config", path)
	if err != nil || len(line.Coordinator.InitialCluster) != 2 || line.Coordinator.InitialCluster["c1"] != "a:1" || line.Coordinator.LogLevel != -4 {
		t.Errorf("%+v, %v", line.Coordinator, err)
	}
}

func TestFaultsOfAFileAreAllReported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"unknown keys":     {"id: n1\nnonsense: 1\nreplication-factor: 3\n", []string{"nonsense", "replication-factor", "no such setting"}},
		"in a section":     {"node: {nonsense: 1}\ncoordinator: {zone: a}\n", []string{"node.nonsense", "coordinator.zone"}},
		"not a section":    {"node: 7\n", []string{"node"}},
		"help and config":  {"help: true\nconfig: other\n", []string{"help", "config"}},
		"list for a value": {"id: [a, b]\n", []string{"id", "list"}},
		"no value":         {"id:\n", []string{"id", "no value"}},
		"not YAML":         {"id: [", []string{"yaml"}},
		"twice":            {"id: a\nid: b\n", []string{"already defined"}},
		"two documents":    {"id: a\n---\nid: b\n", []string{"one YAML document"}},
		"not a mapping":    {"- id\n", []string{"cannot unmarshal"}},
		"wrong type":       {"id: n1\ndata-dir: /d\ncoordinators: [a:1]\nmemory-table: much\n", []string{"memory-table", "much"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := probe(t, "node", "--config", file(t, c.text))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is missing in: %v", want, err)
				}
			}
		})
	}
	if _, err := probe(t, "node", "--config", filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("a file that is not there")
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("id: n1\ndata-dir: /d\ncoordinators: [a:1]\n")
	f.Add("node: {zone: a}\n")
	f.Add("coordinators: {a: 1}\nid: 7\nlog-level: &x debug\nzone: *x\n")
	line := &commandLine{}
	parser := newParser(line, &bytes.Buffer{}, &bytes.Buffer{})
	var node *kong.Node
	for _, c := range parser.Model.Children {
		if c.Name == "node" {
			node = c
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, err := parseConfig([]byte(text), parser.Model.Node, node)
		if err != nil {
			return
		}
		for key := range values {
			if findFlag(node, key) == nil {
				t.Errorf("%q was accepted", key)
			}
		}
	})
}
