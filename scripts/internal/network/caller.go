package network

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// caller finds out which member has the other end of a connection: /proc/net/tcp
// tells the socket's inode, and the members' open files whose that is. "" is
// somebody else.
func (p *Proxies) caller(addr *net.TCPAddr) string {
	inode := socketInode(addr)
	if inode == "" {
		return ""
	}
	p.mu.Lock()
	pids := map[string]int{}
	for name, pid := range p.pids {
		pids[name] = pid()
	}
	p.mu.Unlock()
	for name, pid := range pids {
		if pid != 0 && hasSocket(pid, inode) {
			return name
		}
	}
	return ""
}

// socketInode returns the inode of the socket that is bound to an address.
func socketInode(addr *net.TCPAddr) string {
	ip := addr.IP.To4()
	if ip == nil {
		return ""
	}
	local := fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], addr.Port)
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		// sl local_address rem_address st queues timers retransmits uid timeout inode
		if f := strings.Fields(line); len(f) > 9 && f[1] == local && f[9] != "0" { // 0: one that is closed, and lingers
			return f[9]
		}
	}
	return ""
}

func hasSocket(pid int, inode string) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		return false // it has just ended
	}
	for _, f := range files {
		if to, err := os.Readlink(filepath.Join(dir, f.Name())); err == nil && to == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}
