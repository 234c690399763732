package processtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// Bytes change in a file of a node that runs. The node finds out by itself, does
// without that copy, and makes it anew, while clients write and read: no request
// fails that the client does not repeat, and nobody is given a wrong value.
func TestBytesChangeInALiveNodesFiles(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 4, Partitions: 8, NodeFlags: []string{
		"--memory-table", "64KiB", "--log-retention", "64KiB", "--scrub-rate", "1GiB",
	}})
	d, err := client.New(client.Config{Servers: c.HTTPAddresses()})
	must(t, err)
	defer d.Close()
	const keys = 400
	value := func(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "value %d;", i), 100) }
	for i := range keys {
		_, err := d.Put(t.Context(), fmt.Sprintf("key-%d", i), value(i))
		must(t, err)
	}
	right := func(n *cluster.Member) error {
		one, err := client.New(client.Config{Servers: []string{n.HTTP}})
		if err != nil {
			return err
		}
		defer one.Close()
		for i := range keys {
			v, err := one.Get(t.Context(), fmt.Sprintf("key-%d", i))
			switch {
			case errors.Is(err, client.ErrNotFound), err == nil && !bytes.Equal(v.Data, value(i)):
				t.Fatalf("key-%d at %s: %d bytes, %v", i, n.Name, len(v.Data), err)
			case err != nil:
				return fmt.Errorf("key-%d at %s: %w", i, n.Name, err)
			}
		}
		return nil
	}
	damaged := c.Nodes[1]
	var file string
	eventually(t, 30*time.Second, "a file to hold values", func() error {
		files, err := filepath.Glob(filepath.Join(damaged.Data, "partitions", "*.db"))
		if err != nil {
			return err
		}
		for _, path := range files {
			if content, err := os.ReadFile(path); err == nil && bytes.Contains(content, []byte("key-")) {
				file = path
				return nil
			}
		}
		return errors.New("nothing yet")
	})
	content, err := os.ReadFile(file)
	must(t, err)
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	must(t, err)
	for at, n := 0, 0; n < 50; n++ {
		next := bytes.Index(content[at:], []byte("key-"))
		if next < 0 {
			break
		}
		at += next + len("key-")
		_, err := f.WriteAt([]byte{content[at] ^ 0x40}, int64(at))
		must(t, err)
	}
	must(t, f.Close())

	eventually(t, 30*time.Second, "the damaged file to be put aside", func() error {
		_ = right(damaged) // what it answers is right, if it answers
		_, err := os.Stat(filepath.Join(damaged.Data, "aside", filepath.Base(file)))
		return err
	})
	eventually(t, 30*time.Second, "the node to start again without that copy", func() error {
		text, err := os.ReadFile(damaged.Log)
		if err == nil && strings.Count(string(text), `msg="node started"`) < 2 {
			err = errors.New("it has started once")
		}
		return err
	})
	whole(t, c)
	eventually(t, 30*time.Second, "everything to be read at every node", func() error {
		for _, n := range c.Nodes {
			if err := right(n); err != nil {
				return err
			}
		}
		return nil
	})
}
