package load

import (
	"testing"
	"time"
)

func TestHistogramQuantiles(t *testing.T) {
	t.Parallel()
	var h Histogram
	for i := 1; i <= 1000; i++ {
		h.Record(time.Duration(i) * time.Microsecond)
	}
	for _, c := range []struct {
		q    float64
		want time.Duration
	}{{0.5, 500 * time.Microsecond}, {0.99, 990 * time.Microsecond}, {1, time.Millisecond}} {
		got := h.Quantile(c.q)
		if got < c.want || got > c.want+c.want/50 {
			t.Errorf("quantile %v = %v, want about %v", c.q, got, c.want)
		}
	}
	if h.Max() != time.Millisecond || h.Count() != 1000 {
		t.Errorf("max %v count %d", h.Max(), h.Count())
	}
	var sum Histogram
	sum.Add(&h)
	sum.Add(&h)
	if sum.Count() != 2000 || sum.Quantile(0.5) != h.Quantile(0.5) {
		t.Errorf("sum: count %d median %v", sum.Count(), sum.Quantile(0.5))
	}
}

func TestHistogramBucketsHoldTheirValues(t *testing.T) {
	t.Parallel()
	for v := time.Duration(0); v < time.Hour; v = v*5/4 + 1 {
		b := bucketOf(v)
		if up := upper(b); up < v || float64(up) > float64(v)*1.02+1 {
			t.Fatalf("%d falls into bucket %d, which ends at %d", v, b, up)
		}
		if bucketOf(upper(b)) != b || bucketOf(upper(b)+1) != b+1 {
			t.Fatalf("bucket %d does not end at %d", b, upper(b))
		}
	}
}
