package processtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// A disk that fills up, and gets room again: one node's is enough for writes to
// be refused, wherever they are sent, while reads and deletes go on. A large
// file stands for whatever fills a disk.
func TestADiskIsNearlyFull(t *testing.T) {
	const gib = 1 << 30
	dir := t.TempDir()
	var s unix.Statfs_t
	must(t, unix.Statfs(dir, &s))
	free := int64(s.Bavail) * s.Bsize
	if free < 8*gib {
		t.Skipf("needs 8 GiB of free disk, has %d", free)
	}
	// Others may use the disk meanwhile: both bounds are a GiB away.
	c := start(t, cluster.Options{Nodes: 3, Partitions: 16})
	n3 := c.Nodes[2]
	must(t, n3.Terminate(t.Context()))
	n3.Args = append(n3.Args, "--disk-reserve", fmt.Sprint(free-3*gib), "--disk-resume", fmt.Sprint(free-2*gib))
	must(t, n3.Start())
	whole(t, c)
	usual(t, c, "before")

	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	must(t, err)
	defer ballast.Close()
	if err := unix.Fallocate(int(ballast.Fd()), 0, 0, 4*gib); err != nil {
		t.Skipf("this file system reserves no space: %v", err)
	}
	d, err := client.New(client.Config{Servers: c.HTTPAddresses(), Timeout: 900 * time.Millisecond})
	must(t, err)
	defer d.Close()
	refused := func() error {
		_, err := d.Put(t.Context(), "probe", []byte("full"))
		var e *client.Error
		if !errors.As(err, &e) || e.Code != "disk-full" || e.RetryAfter == 0 || !errors.Is(err, client.ErrNotApplied) {
			return fmt.Errorf("a put: %w", err)
		}
		return nil
	}
	eventually(t, 20*time.Second, "puts to be refused", refused)
	for i := range 20 { // of every partition, at every node
		key := fmt.Sprintf("usual-%d", i)
		for _, n := range c.Nodes {
			one, err := client.New(client.Config{Servers: []string{n.HTTP}})
			must(t, err)
			if v, err := one.Get(t.Context(), key); err != nil || string(v.Data) != "before" {
				t.Errorf("%s at %s: %v, %v", key, n.Name, v, err)
			}
			one.Close()
		}
		if a, err := d.Delete(t.Context(), key); err != nil || !a.Existed {
			t.Errorf("delete %s: %+v, %v", key, a, err)
		}
	}
	must(t, refused())

	must(t, ballast.Truncate(0))
	eventually(t, 20*time.Second, "puts to be taken again", func() error {
		_, err := d.Put(t.Context(), "probe", []byte("again"))
		return err
	})
	usual(t, c, "after")
}
