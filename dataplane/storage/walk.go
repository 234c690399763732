package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// errEnough ends a walk before the end of its tree.
var errEnough = errors.New("enough was read")

// walk goes through the leaves of a bucket, in order, from a key on. It checks
// that each page's keys are where a search looks for them.
type walk struct {
	pages *pageReader
	from  string                        // keys below it are passed over
	item  func(key, value []byte) error // called for each of the others
	batch int64                         // bytes read in one transaction, about
	until int64                         // ends behind the leaf with which so much has been read
	next  string                        // all keys below it have been visited; "" at the end of the bucket
}

// tree goes through the page and all below it, whose keys must be in [low, high).
// No high is "no bound".
func (w *walk) tree(id uint64, level, ahead int, low, high []byte) error {
	p, err := w.pages.at(id, level, ahead)
	if err != nil {
		return err
	}
	all, err := p.elements(w.pages.pageSize)
	if err != nil {
		return err
	}
	if n := len(all); n > 0 && (bytes.Compare(all[0].key, low) < 0 || high != nil && bytes.Compare(all[n-1].key, high) >= 0) {
		return damagedPage(id, "its keys, %q to %q, are not between %q and %q, where they are looked for", all[0].key, all[n-1].key, low, high)
	}
	if p.flags == leafPage {
		return w.leaf(id, all, high)
	}
	if len(all) == 0 {
		return damagedPage(id, "a branch without a child")
	}
	for i := range all {
		bound := high
		if i+1 < len(all) {
			bound = all[i+1].key
		}
		if w.from != "" && bound != nil && string(bound) <= w.from {
			continue
		}
		if err := w.tree(all[i].child, level+1, w.run(all[i:]), all[i].key, bound); err != nil {
			return err
		}
	}
	return nil
}

// run returns how many children lie one behind the other in the file, if each
// takes one page, and are worth one read.
func (w *walk) run(children []element) int {
	n, most := 1, min(len(children), int(w.batch)/2/w.pages.pageSize)
	for n < most && children[n].child == children[n-1].child+1 {
		n++
	}
	return n
}

func (w *walk) leaf(id uint64, items []element, high []byte) error {
	for i := range items {
		e := &items[i]
		if e.bucket {
			return damagedPage(id, "key %q has no value", e.key)
		}
		if string(e.key) < w.from {
			continue
		}
		if err := w.item(e.key, e.value); err != nil {
			return err
		}
	}
	if w.next = string(high); high != nil && w.pages.read >= w.until && !w.pages.holds(id+1) {
		return errEnough
	}
	return nil
}

// bucket is where the items of a bucket are: in pages of their own, or where there
// are few of them in one that stands in the page of their parent.
type bucket struct {
	root   uint64
	inline []byte
}

// buckets reads which buckets a file has.
func (r *pageReader) buckets(root uint64) (map[string]bucket, error) {
	p, err := r.at(root, 0, 1)
	if err != nil {
		return nil, err
	}
	if p.flags != leafPage { // six short names
		return nil, damagedPage(root, "it is of kind %#x, and should be the list of buckets", p.flags)
	}
	all, err := p.elements(r.pageSize)
	if err != nil {
		return nil, err
	}
	out := map[string]bucket{}
	for _, e := range all {
		if !e.bucket || len(e.value) < bucketHeader {
			return nil, damagedPage(root, "%q is no bucket", e.key)
		}
		b := bucket{root: binary.NativeEndian.Uint64(e.value)}
		if b.root == 0 {
			b.inline = bytes.Clone(e.value[bucketHeader:])
		}
		out[string(e.key)] = b
	}
	return out, nil
}

// bucket goes through a bucket. It returns errEnough if it did not come to its end.
func (w *walk) bucket(b bucket) error {
	if b.root != 0 {
		return w.tree(b.root, 0, 1, nil, nil)
	}
	if len(b.inline) < pageHeaderSize {
		return damagedPage(0, "a bucket of %d bytes", len(b.inline))
	}
	p := page{
		flags: binary.NativeEndian.Uint16(b.inline[8:]), count: int(binary.NativeEndian.Uint16(b.inline[10:])), b: b.inline,
	}
	if p.flags != leafPage {
		return damagedPage(0, "a small bucket is of kind %#x", p.flags)
	}
	items, err := p.elements(w.pages.pageSize)
	if err != nil {
		return err
	}
	return w.leaf(0, items, nil)
}
