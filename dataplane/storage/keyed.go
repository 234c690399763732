package storage

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// Results of requests with an Idempotency-Key (rule Q2) are kept for
// entry.Remember of logged time: the latest in memory beside the table, the rest
// in two buckets of the partition's file, by ID and by age. What is older counts
// as forgotten at once, and is deleted by the flushes that come.
var (
	keyedBucket    = []byte("keyed")       // ID → what is remembered
	keyedAgeBucket = []byte("keyed-since") // logged time, 8 bytes big-endian, and ID → checksum of these
)

// forgetBatch is how many forgotten results one flush deletes at most.
const forgetBatch = 20_000

// keyedOverhead is what a remembered result costs in memory.
const keyedOverhead = 160

type keyedResults map[entry.IdempotencyID]entry.Remembered

// Remembered tells what an applied request with that Idempotency-Key answered,
// while that is kept.
func (t *Table) Remembered(id entry.IdempotencyID) (r entry.Remembered, found bool, err error) {
	t.mu.RLock()
	r, found = t.keyed[id]
	if !found {
		r, found = t.frozenKeyed[id]
	}
	logged, f := t.logged, t.file
	t.mu.RUnlock()
	if !found && f != nil {
		r, found, err = f.remembered(id)
		if err != nil {
			return entry.Remembered{}, false, t.check("look for an idempotency key", err)
		}
	}
	return r, found && r.Logged+entry.Remember > logged, nil
}

// rememberKeyed keeps an applied entry's result. Caller holds t.mu.
func (t *Table) rememberKeyed(e *entry.Entry) (grown int64) {
	if e.Idempotency == nil {
		return 0
	}
	if _, again := t.keyed[e.Idempotency.ID]; !again {
		grown = keyedOverhead
	}
	if t.keyed == nil {
		t.keyed = keyedResults{}
	}
	t.keyed[e.Idempotency.ID] = entry.Remembered{
		Fingerprint: e.Idempotency.Fingerprint, Logged: e.Logged,
		Result: entry.Result{Sequence: e.Sequence, Existed: e.Existed},
	}
	return grown
}

// encodeKeyed covers the ID with the checksum, and does not include it: it is
// the key under which the result is stored.
func encodeKeyed(id entry.IdempotencyID, r *entry.Remembered) []byte {
	b := append(make([]byte, 0, 64), id[:]...)
	b = binary.AppendUvarint(b, uint64(r.Logged))
	b = append(b, r.Fingerprint[:]...)
	b = binary.AppendUvarint(b, r.Result.Sequence)
	existed := byte(0)
	if r.Result.Existed {
		existed = 1
	}
	return seal(append(b, existed), 0)[len(id):]
}

func decodeKeyed(key, b []byte) (id entry.IdempotencyID, m entry.Remembered, err error) {
	const what = "result of an idempotency key"
	if len(key) != len(id) {
		return id, m, fmt.Errorf("%s: %w: its ID has %d bytes", what, ErrDamaged, len(key))
	}
	copy(id[:], key)
	body, err := unseal(append(append(make([]byte, 0, len(key)+len(b)), key...), b...), what)
	if err != nil {
		return id, m, err
	}
	if len(body) < len(key) {
		return id, m, fmt.Errorf("%s: %w: cut off", what, ErrDamaged)
	}
	r := reader{b: body[len(key):], what: what}
	m.Logged = entry.LoggedTime(r.uvarint("logged time"))
	for i := range m.Fingerprint {
		m.Fingerprint[i] = r.byte("fingerprint")
	}
	m.Result.Sequence = r.uvarint("sequence")
	existed := r.byte("existed")
	if existed > 1 {
		r.fail("existed")
	}
	m.Result.Existed = existed == 1
	return id, m, r.end()
}

func ageKey(id entry.IdempotencyID, at entry.LoggedTime) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 24), uint64(at)), id[:]...)
}

func (f *file) remembered(id entry.IdempotencyID) (m entry.Remembered, found bool, err error) {
	err = f.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket(keyedBucket)
		if b == nil {
			return nil
		}
		stored, err := find(b, id[:], func(k, stored []byte) error { return checkItem(keyedKind, k, stored) })
		if stored == nil || err != nil {
			return err
		}
		found = true
		_, m, err = decodeKeyed(id[:], stored)
		return err
	})
	return m, found && err == nil, err
}

// storedAge returns what an item of the index by age says.
func storedAge(k, stored []byte) (at entry.LoggedTime, id []byte, err error) {
	const what = "age of an idempotency key"
	if err := checkIndexValue(k, stored, what); err != nil {
		return 0, nil, err
	}
	if len(k) != 24 {
		return 0, nil, fmt.Errorf("%s: %w: it has %d bytes", what, ErrDamaged, len(k))
	}
	return entry.LoggedTime(binary.BigEndian.Uint64(k)), k[8:], nil
}

// putKeyed stores results, and deletes those that are forgotten by now.
func putKeyed(w *bucketWriter, results keyedResults, now entry.LoggedTime) error {
	if len(results) == 0 && w.open(keyedKind) == nil {
		return nil
	}
	for id, r := range results {
		key, age := append([]byte(nil), id[:]...), ageKey(id, r.Logged)
		if err := w.put(keyedKind, key, w.get(keyedKind, key), encodeKeyed(id, &r)); err != nil {
			return err
		}
		if err := w.put(keyedAgeKind, age, w.get(keyedAgeKind, age), indexValue(age)); err != nil {
			return err
		}
	}
	return forgetKeyed(w, now)
}

func forgetKeyed(w *bucketWriter, now entry.LoggedTime) error {
	ages := w.open(keyedAgeKind)
	if ages == nil {
		return fmt.Errorf("%w: there is no bucket %s", ErrDamaged, keyedAgeBucket)
	}
	var old [][]byte
	cursor := ages.Cursor()
	for k, stored := cursor.First(); k != nil && len(old) < forgetBatch; k, stored = cursor.Next() {
		at, _, err := storedAge(k, stored)
		if err != nil {
			return err
		}
		if at+entry.Remember > now {
			break
		}
		old = append(old, append([]byte(nil), k...))
	}
	for _, k := range old {
		if err := w.delete(keyedAgeKind, k, w.get(keyedAgeKind, k)); err != nil {
			return err
		}
		stored := w.get(keyedKind, k[8:])
		if stored == nil {
			continue
		}
		_, m, err := decodeKeyed(k[8:], stored)
		if err != nil {
			return err
		}
		if uint64(m.Logged) != binary.BigEndian.Uint64(k) {
			continue // used again since it was forgotten
		}
		if err := w.delete(keyedKind, k[8:], stored); err != nil {
			return err
		}
	}
	return nil
}
