// Command holdfast is everything that an operator or a user runs: a
// coordinator, a data node, a whole cluster for development, and the commands
// that read, write and tell. It parses and prints; the work is done elsewhere.
package main

import "os"

// version is set by the build.
var version = "unknown"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
