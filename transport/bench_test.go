package transport

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// benchPair connects two recorders over loopback.
func benchPair(b *testing.B) *pair {
	b.Helper()
	p := &pair{t: b, serverSide: newRecorder(), clientSide: newRecorder(), addr: "127.0.0.1:0", server: TCP(), client: TCP()}
	p.connect(Options{}, Options{})
	return p
}

// cpuPerOp reports the processor time of both ends together.
func cpuPerOp(b *testing.B) func() {
	var before syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	return func() {
		var after syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
			b.Fatal(err)
		}
		used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
		b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op")
	}
}

// BenchmarkCall64 keeps 64 calls of 100 bytes in flight: a new one is made when
// one is answered.
func BenchmarkCall64(b *testing.B) {
	p := benchPair(b)
	body := make([]byte, 100)
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	wg.Add(64)
	var next func(reply []byte, err error)
	next = func(_ []byte, err error) {
		if err != nil {
			b.Error(err)
		}
		if left.Add(-1) < 0 {
			wg.Done()
			return
		}
		p.link.Call(body, time.Minute, next)
	}
	b.ReportAllocs()
	report := cpuPerOp(b)
	b.ResetTimer()
	for range 64 {
		next(nil, nil)
	}
	wg.Wait()
	b.StopTimer()
	report()
}

// BenchmarkCall64Goroutines is the same from 64 goroutines that wait.
func BenchmarkCall64Goroutines(b *testing.B) {
	p := benchPair(b)
	body := make([]byte, 100)
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ReportAllocs()
	report := cpuPerOp(b)
	b.ResetTimer()
	for range 64 {
		wg.Go(func() {
			answered := make(chan error, 1)
			done := func(_ []byte, err error) { answered <- err }
			for left.Add(-1) >= 0 {
				p.link.Call(body, time.Minute, done)
				if err := <-answered; err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	report()
}

// BenchmarkSend sends 100-byte messages one way, as quickly as they are taken.
func BenchmarkSend(b *testing.B) {
	p := benchPair(b)
	var got atomic.Int64
	all := make(chan struct{})
	p.serverSide.onMessage = func(Conn, []byte) {
		if got.Add(1) == int64(b.N) {
			close(all)
		}
	}
	body := make([]byte, 100)
	b.ReportAllocs()
	report := cpuPerOp(b)
	b.ResetTimer()
	for i := 0; i < b.N; {
		switch err := p.link.Send(body); err {
		case nil:
			i++
		case ErrBacklog:
			runtime.Gosched()
		default:
			b.Fatal(err)
		}
	}
	<-all
	b.StopTimer()
	report()
}
