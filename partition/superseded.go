package partition

// Superseded reports whether the step from one map to the next gives a node's
// place to another start than self: another store, or a start of the same store
// that shows that self is over. Some map before old, or old itself, named self.
//
// A step back is none: the coordinators were restored from a backup, whose map
// has a lower version or names an earlier start of the store. Nor is a map that
// lacks the node: whether it was removed, the coordinators say.
func Superseded(old, next *Map, self *Node) bool {
	now, known := next.Node(self.ID)
	if !known || next.Version <= old.Version || now.Store == self.Store && !self.Start().SupersededBy(now.Start()) {
		return false
	}
	was, known := old.Node(self.ID)
	return !known || was.Store != now.Store || was.Start() != now.Start()
}
