package dataplane

import "golang.org/x/sys/unix"

// steadyNanoseconds reads CLOCK_BOOTTIME, 0.2 to 0.4 µs a call: the runtime's
// own reading is ten times quicker, but stands still while the machine sleeps.
func steadyNanoseconds() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("clock_gettime(CLOCK_BOOTTIME): " + err.Error()) // it exists since Linux 2.6.39
	}
	return ts.Nano()
}
