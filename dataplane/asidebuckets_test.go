package dataplane

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/holdfast-io/holdfast/partition"
)

// Damage to what stands beside the values in a partition's file, which no request
// reads for hours, leads to what damage to a value leads to, while other keys of the
// same files are written all the time.
func TestDamageBesideTheValuesIsFoundUnderLoadAndMadeAnew(t *testing.T) {
	t.Parallel()
	for _, bucket := range []string{"expiry", "keyed", "keyed-since"} {
		t.Run(bucket, func(t *testing.T) {
			t.Parallel()
			c := newTunedCluster(t, 3, 2, func(c *Config) {
				c.MemoryTable, c.LogRetention = 64<<10, 16<<10
				c.ScrubRate = 1 << 30
			})
			value := func(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "value %d;", i), 50) }
			for i := range 100 {
				if status := c.putKeyed(fmt.Sprintf("kept-%d?ttl=1h", i), fmt.Sprintf("id-%d", i), value(i)); status/100 != 2 {
					t.Fatalf("put kept-%d: %d", i, status)
				}
			}
			var load sync.WaitGroup
			var end atomic.Bool
			load.Go(func() {
				for i := 0; !end.Load(); i++ {
					c.putKeyed(fmt.Sprintf("hot-%d", i%16), "", value(i)) // some fail while a node starts again
				}
			})
			defer load.Wait()
			defer end.Store(true)
			c.mu.Lock()
			damaged := c.nodes["n2"]
			c.mu.Unlock()
			eventually(t, "n2 has found the damage", func() bool {
				c.overwriteItem("n2", bucket) // again where a flush has just moved it
				select {
				case <-damaged.Again():
					return true
				case <-time.After(time.Second):
					return false
				}
			})
			c.asks("n2")
			for i := range 100 {
				if status, body := c.do("n2", http.MethodGet, fmt.Sprintf("kept-%d", i), nil); status != http.StatusOK || body != string(value(i)) {
					t.Fatalf("get kept-%d: %d, %d bytes", i, status, len(body))
				}
			}
		})
	}
}

// putKeyed puts a value through n1, with an idempotency key if one is given, and
// returns the status; zero where there was no answer.
func (c *cluster) putKeyed(key, id string, body []byte) int {
	c.mu.Lock()
	n := c.nodes["n1"]
	c.mu.Unlock()
	if n == nil {
		return 0
	}
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPut, "http://"+n.HTTPAddr()+"/v1/kv/"+key, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	if id != "" {
		request.Header.Set("Idempotency-Key", id)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close() //nolint:errcheck // not read
	return response.StatusCode
}

// overwriteItem changes a byte of an item of a bucket in a partition file of a node that
// runs.
func (c *cluster) overwriteItem(id partition.NodeID, bucket string) {
	c.t.Helper()
	eventually(c.t, "there is an item in bucket "+bucket, func() bool {
		files, err := filepath.Glob(filepath.Join(c.dirs[id], "partitions", "*.db"))
		if err != nil {
			c.t.Fatal(err)
		}
		for _, path := range files {
			content, err := os.ReadFile(path)
			if err != nil {
				c.t.Fatal(err)
			}
			item := itemOf(c.t, content, bucket)
			at := bytes.LastIndex(content, item)
			if len(item) == 0 || at < 0 {
				continue
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				c.t.Fatal(err)
			}
			defer f.Close()
			for ; at >= 0; at = bytes.LastIndex(content[:at], item) { // one of them is in use
				if _, err := f.WriteAt([]byte{0xa5}, int64(at+7)); err != nil {
					c.t.Fatal(err)
				}
			}
			return true
		}
		return false
	})
}

// itemOf returns key and value, as they stand there, of an item of a bucket of a
// file's copy; nothing where it has none, or was written to while it was copied.
func itemOf(t *testing.T, content []byte, bucket string) (item []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return nil
	}
	defer db.Close() //nolint:errcheck // a copy
	defer func() { _ = recover() }()
	_ = db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte(bucket)); b != nil {
			k, v := b.Cursor().Last() // flushes read the first
			item = append(append(item, k...), v...)
		}
		return nil
	})
	return item
}
