package main

import (
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// pace is how fast a learner comes near: what is left, and how that shrinks, also
// while more is written.
type pace struct {
	copying bool // bytes are looked at, else entries
	first   sight
	last    sight
}

// sight is what was left at a time.
type sight struct {
	at   time.Time
	done int64
	left int64
}

// share is what is done, and all that there is to do, of the bytes or the entries.
func (p *pace) share(now mapjson.Progress) (done, all int64) {
	if now.AllBytes > 0 {
		return now.Bytes, now.AllBytes
	}
	return int64(now.Have), int64(now.Want)
}

// at notes a progress, and tells rate and time left as far as they can be told.
func (p *pace) at(t time.Time, now mapjson.Progress) string {
	done, all := p.share(now)
	seen := sight{at: t, done: done, left: all - done}
	if copying := now.AllBytes > 0; p.first.at.IsZero() || copying != p.copying {
		p.copying, p.first = copying, seen
	}
	p.last = seen
	passed := p.last.at.Sub(p.first.at).Seconds()
	if passed <= 0 {
		return ""
	}
	text := ""
	if rate := float64(p.last.done-p.first.done) / passed; p.copying && rate > 0 {
		text = fmt.Sprintf(", %v/s", size(rate))
	}
	if nearer := float64(p.first.left-p.last.left) / passed; nearer > 0 && p.last.left > 0 {
		left := time.Duration(float64(p.last.left) / nearer * float64(time.Second))
		text += fmt.Sprintf(", %v left", max(left, time.Second).Round(time.Second))
	}
	return text
}
