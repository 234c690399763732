package transport

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"testing"
	"time"
)

// expectClosed waits until the peer closes the connection, and returns what it
// said before.
func expectClosed(t *testing.T, nc net.Conn) []byte {
	t.Helper()
	if err := nc.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(nc)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Fatal("the connection stays open")
	}
	return said
}

func open(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

func TestNonsenseAtThePort(t *testing.T) {
	t.Parallel()
	p := &pair{t: t, serverSide: newRecorder(), clientSide: newRecorder(), server: TCP(), client: TCP(), addr: "127.0.0.1:0"}
	p.connect(Options{}, Options{})
	random := make([]byte, 5000)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	badSum := appendFrame([]byte(preamble), helloFrame, 0, []byte("hello"))
	badSum[len(badSum)-1] ^= 1
	for name, nonsense := range map[string][]byte{
		"HTTP":            []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"random":          append([]byte{7}, random...),
		"our first byte":  append([]byte{firstByte}, random...),
		"our preamble":    append([]byte(preamble), random...),
		"wrong checksum":  badSum,
		"huge hello":      []byte(preamble + "\x00\x00\x00\x00\xff\xff\xff\x7f\x00\x00\x00\x00\x00\x00\x00\x01"),
		"no hello":        appendFrame([]byte(preamble), messageFrame, 0, nil),
		"no acceptance":   appendFrame(appendFrame([]byte(preamble), helloFrame, 0, nil), messageFrame, 0, nil),
		"hello again":     appendFrame(appendFrame(appendFrame([]byte(preamble), helloFrame, 0, nil), acceptFrame, 0, nil), helloFrame, 0, nil),
		"unknown frame":   appendFrame(appendFrame(appendFrame([]byte(preamble), helloFrame, 0, nil), acceptFrame, 0, nil), 99, 0, nil),
		"unknown replies": append(appendFrame(appendFrame(appendFrame([]byte(preamble), helloFrame, 0, nil), acceptFrame, 0, nil), replyFrame, 1<<40, nil), random...),
	} {
		nc := open(t, p.addr)
		if _, err := nc.Write(nonsense); err != nil {
			t.Fatal(err)
		}
		expectClosed(t, nc)
		if _, err := ask(p.link, name, time.Minute); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

func TestAnotherVersionIsToldSo(t *testing.T) {
	t.Parallel()
	p := &pair{t: t, serverSide: newRecorder(), server: TCP(), addr: "127.0.0.1:0"}
	p.listen(Options{})
	nc := open(t, p.addr)
	if _, err := nc.Write(appendFrame([]byte(magic+"\x63"), helloFrame, 0, nil)); err != nil {
		t.Fatal(err)
	}
	want := appendFrame([]byte(preamble), refuseFrame, 0, []byte("it speaks version 99 of the transport protocol, this is version 1: run the same version of holdfast everywhere"))
	if got := expectClosed(t, nc); !bytes.Equal(got, want) {
		t.Fatalf("got %q", got)
	}
}

func TestStalledHellosEnd(t *testing.T) {
	t.Parallel()
	p := &pair{t: t, serverSide: newRecorder(), clientSide: newRecorder(), server: TCP(), client: TCP(), addr: "127.0.0.1:0"}
	p.listen(Options{DialTimeout: 200 * time.Millisecond})
	for _, start := range []string{"", "\xf5", preamble, preamble + "\x00\x00\x00"} {
		nc := open(t, p.addr)
		if _, err := nc.Write([]byte(start)); err != nil {
			t.Fatal(err)
		}
		expectClosed(t, nc)
	}
}

func TestTooManyStalledHellosDoNotStopAnHonestOne(t *testing.T) {
	t.Parallel()
	p := &pair{t: t, serverSide: newRecorder(), clientSide: newRecorder(), server: TCP(), client: TCP(), addr: "127.0.0.1:0"}
	p.listen(Options{DialTimeout: time.Hour, MaxUnverified: 4})
	var stalled []net.Conn
	for range 10 {
		stalled = append(stalled, open(t, p.addr))
	}
	for _, nc := range stalled[:6] {
		expectClosed(t, nc)
	}
	p.dial(Options{})
	p.clientSide.waitUps(t, 1)
	if _, err := ask(p.link, "x", time.Minute); err != nil {
		t.Fatal(err)
	}
}

func TestStreamsShareThePort(t *testing.T) {
	t.Parallel()
	server, client := selfSigned(t)
	for _, c := range []struct {
		name           string
		server, client *tls.Config
	}{{"plain", nil, nil}, {"TLS", server, client}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &pair{t: t, serverSide: newRecorder(), clientSide: newRecorder(), server: TCP(), client: TCP(), addr: "127.0.0.1:0"}
			echo := func(nc net.Conn) {
				defer func() { _ = nc.Close() }()
				_, _ = io.Copy(nc, nc)
			}
			p.connect(Options{TLS: c.server, Streams: map[byte]func(net.Conn){'R': echo}}, Options{TLS: c.client})
			nc, err := DialStream(t.Context(), p.addr, 'R', c.client)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
			if _, err := nc.Write([]byte("raft")); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 4)
			if _, err := io.ReadFull(nc, got); err != nil || string(got) != "raft" {
				t.Fatalf("got %q, %v", got, err)
			}
			if got, err := ask(p.link, "x", time.Minute); got != "x" || err != nil {
				t.Fatalf("got %q, %v", got, err)
			}
			unknown, err := DialStream(t.Context(), p.addr, 'Q', c.client)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = unknown.Close() }()
			expectClosed(t, unknown)
		})
	}
}

func TestStreamsInMemory(t *testing.T) {
	t.Parallel()
	m, p := inMemory(t)
	p.listen(Options{Streams: map[byte]func(net.Conn){'R': func(nc net.Conn) {
		_, _ = nc.Write([]byte("hi"))
		_ = nc.Close()
	}}})
	nc, err := m.DialStream(t.Context(), "client", p.addr, 'R')
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	if got, err := io.ReadAll(nc); string(got) != "hi" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.DialStream(ctx, "client", p.addr, 'R'); err == nil {
		t.Fatal("no error")
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server, client := selfSigned(t)
	p := &pair{t: t, serverSide: newRecorder(), clientSide: newRecorder(), server: TCP(), client: TCP(), addr: "127.0.0.1:0"}
	p.connect(Options{TLS: server}, Options{TLS: client})
	if got, err := ask(p.link, "x", time.Minute); got != "x" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	failed := make(chan error, 100)
	for _, config := range []*tls.Config{nil, {MinVersion: tls.VersionTLS13}} { // no TLS; an unknown authority
		link := TCP().Dial(p.addr, Options{TLS: config, DialTimeout: time.Second, Failed: func(err error) { failed <- err }})
		<-failed
		if err := link.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.link.Close(); err != nil {
		t.Fatal(err)
	}
	p.serverSide.waitDowns(t, 1)
}

// selfSigned makes a certificate for the loopback address.
func selfSigned(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AddCert(certificate)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS13},
		&tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS13}
}
