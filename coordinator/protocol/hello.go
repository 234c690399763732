package protocol

import (
	"fmt"

	"github.com/holdfast-io/holdfast/partition"
)

// Version of the protocol. Both sides of a connection must have the same.
const Version = 5

// Role says what a side of a connection is.
type Role uint8

const (
	// RoleNode joins the cluster: heartbeats, registration, changes, the map.
	RoleNode Role = iota + 1
	// RoleFollower only follows the map.
	RoleFollower
	// RoleCoordinator is a coordinator, on either side.
	RoleCoordinator
)

// Hello is what each side says of itself when a connection is made.
type Hello struct {
	Role        Role
	Name        string // of the node or the coordinator; "" for followers
	ClusterID   string // "" while it is not known
	Application string // "" while it is not known
	Store       partition.StoreID
	Start       partition.Start // nodes only
	HTTPAddr    string          // advertised, coordinators only
	PeerAddr    string          // as HTTPAddr
}

// Encode returns the bytes for the connection's hello.
func (h Hello) Encode() []byte {
	var e encoder
	e.uint(Version)
	e.byte(byte(h.Role))
	e.string(h.Name)
	e.string(h.ClusterID)
	e.string(h.Application)
	e.store(h.Store)
	encodeStart(&e, h.Start)
	e.string(h.HTTPAddr)
	e.string(h.PeerAddr)
	return e.b
}

// DecodeHello judges the other side's version too: its error is for people.
func DecodeHello(b []byte) (Hello, error) {
	d := decoder{b: b}
	if v := d.uint(); d.err == nil && v != Version {
		return Hello{}, fmt.Errorf("coordinator protocol version %d is not understood here, only %d: run the same version of holdfast everywhere", v, Version)
	}
	h := Hello{
		Role: Role(d.byte()), Name: d.string(), ClusterID: d.string(), Application: d.string(),
		Store: d.store(), Start: decodeStart(&d), HTTPAddr: d.string(), PeerAddr: d.string(),
	}
	if d.err == nil && (h.Role < RoleNode || h.Role > RoleCoordinator) {
		d.fail(fmt.Sprintf("role %d", h.Role))
	}
	if err := d.done(); err != nil {
		return Hello{}, fmt.Errorf("hello: %w", err)
	}
	return h, nil
}
