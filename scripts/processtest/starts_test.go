package processtest

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// copyOf prepares a process on a copy of a node's directory, at other addresses. The
// node must stand still, or be ended, meanwhile.
func copyOf(t *testing.T, c *cluster.Cluster, m *cluster.Member) *cluster.Member {
	t.Helper()
	twin := c.Spare[0]
	c.Spare = c.Spare[1:]
	must(t, os.CopyFS(twin.Data, os.DirFS(m.Data)))
	twin.Args = nil
	for _, arg := range m.Args {
		for _, own := range [][2]string{{m.Data, twin.Data}, {m.HTTP, twin.HTTP}, {m.Peer, twin.Peer}} {
			if arg == own[0] {
				arg = own[1]
			}
		}
		twin.Args = append(twin.Args, arg)
	}
	t.Cleanup(func() { twin.End(10 * time.Second) })
	return twin
}

// exitsWith waits until a process has ended by itself with that code, and has said
// why.
func exitsWith(t *testing.T, m *cluster.Member, code int, says string) {
	t.Helper()
	select {
	case <-m.Exited():
	case <-time.After(30 * time.Second):
		t.Fatalf("%s does not end; it logged:\n%s", m.Name, m.LogTail(10))
	}
	if got := m.ExitCode(); got != code {
		t.Errorf("%s ended with %d, want %d", m.Name, got, code)
	}
	if log := m.LogTail(20); !strings.Contains(log, says) {
		t.Errorf("%s does not say %q:\n%s", m.Name, says, log)
	}
}

// A directory from before the node's last start is refused, and nothing in the map
// changes; the newest one is taken again.
func TestARestoredDirectoryIsRefused(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 3, Partitions: 16})
	n3 := c.Nodes[2]
	w := write(t, keysFor("key", 16), func(i int) *cluster.Member { return c.Nodes[i%2] })
	w.progress(t, 100)
	must(t, n3.Kill())
	old, newest := n3.Data+".copy", n3.Data+".newest"
	must(t, os.CopyFS(old, os.DirFS(n3.Data)), n3.Start())
	whole(t, c)
	w.progress(t, 200)
	must(t, n3.Kill(), os.Rename(n3.Data, newest), os.Rename(old, n3.Data), n3.Start())
	exitsWith(t, n3, 7, "restored from an earlier copy")
	w.progress(t, 200)
	must(t, n3.Start()) // again and again: the counter grows, and it is no other directory
	exitsWith(t, n3, 7, "restored from an earlier copy")
	must(t, os.RemoveAll(n3.Data), os.Rename(newest, n3.Data), n3.Start())
	whole(t, c)
	w.progress(t, 100)
	w.end()
	for _, err := range w.failures {
		t.Errorf("a request at a living node failed: %v", err)
	}
	w.verify(t, c.Nodes...)
}

// Of two processes on copies of one directory the first stays, as long as it is
// heard from.
func TestACopyIsRefusedWhileTheFirstRuns(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 3, Spare: 1, Partitions: 16})
	n3 := c.Nodes[2]
	w := write(t, keysFor("key", 16), func(i int) *cluster.Member { return c.Nodes[i%3] })
	w.progress(t, 100)
	must(t, n3.Pause())
	twin := copyOf(t, c, n3)
	must(t, n3.Resume())
	whole(t, c)
	must(t, twin.Start())
	exitsWith(t, twin, 7, "or a twin of it on a copy of the data directory")
	w.progress(t, 200)
	must(t, n3.Ask(t.Context(), "/readyz", nil))
	w.end()
	w.verify(t, c.Nodes...)
}

// A copy at another address has the place of a process that is not heard from. When
// that one comes back it serves nothing, says why, and ends.
func TestACopyTakesThePlaceOfASilentProcess(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 3, Spare: 1, Partitions: 16})
	n3 := c.Nodes[2]
	w := write(t, keysFor("key", 16), func(i int) *cluster.Member { return c.Nodes[i%2] })
	w.progress(t, 100)
	must(t, n3.Pause())
	twin := copyOf(t, c, n3)
	w.progress(t, 200) // what the copy does not have
	must(t, twin.Start())
	c.Nodes[2] = twin
	whole(t, c)
	w.progress(t, 200)
	must(t, n3.Resume())
	for _, path := range []string{"/readyz", "/v1/kv/key-1", "/v1/kv/key-1?consistency=stale", "/v1/partitions"} {
		eventually(t, 5*time.Second, path+" of the first process is 503 with the reason", func() error {
			err := n3.Ask(t.Context(), path, nil)
			if err == nil || !strings.Contains(err.Error(), ": 503 ") || !strings.Contains(err.Error(), "another start") {
				return fmt.Errorf("%s is answered with: %v", path, err)
			}
			return nil
		})
	}
	exitsWith(t, n3, 7, "another start")
	w.progress(t, 100)
	w.end()
	for _, err := range w.failures {
		t.Errorf("a request at a living node failed: %v", err)
	}
	w.verify(t, c.Nodes...)
	eventually(t, 20*time.Second, "n3 has one address", func() error {
		n, err := nodeIn(t, c, "n3")
		if err == nil && n.PeerAddr != twin.Peer {
			err = fmt.Errorf("it is at %s, want %s", n.PeerAddr, twin.Peer)
		}
		return err
	})
}
