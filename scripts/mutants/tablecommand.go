package main

const commandDir = "cmd/holdfast/"

var commandMutants = []mutant{
	{"a size that overflows is accepted", commandDir + "size.go",
		" || n > math.MaxInt64/unit", " || unit < 1 || n == math.MaxInt64", ""},
	{"port 65536 is accepted", commandDir + "addresses.go",
		"n > 65535", "n > 65536", ""},
	{"a file counts before a variable", commandDir + "configfile.go",
		"			return nil, nil\n		}\n	}\n	if value", "			continue\n		}\n	}\n	if value", ""},
	{"a removed node exits as one that is refused", commandDir + "exit.go",
		"errors.As(err, &refused) && refused.Removed", "false", ""},
	{"a server that is not ready ends the question", commandDir + "servers.go",
		"errors.As(err, &p) && p.Status != http.StatusServiceUnavailable", "errors.As(err, &p)", ""},
	{"a server that hangs leaves no time for the others", commandDir + "servers.go",
		"time.Until(left)/time.Duration(len(servers)-i)", "time.Until(left)/time.Duration(1+0*i)", ""},
	{"a TTL is not sent", commandDir + "kv.go",
		"	if c.TTL != 0 {", "	if false {", ""},
	{"--disk-resume is not passed on", commandDir + "node.go",
		"DiskResume: int64(c.DiskResume), ", "", ""},
	{"--replace-after is not passed on", commandDir + "coordinator.go",
		"coordinator.Timings{ReplaceAfter: c.ReplaceAfter}", "coordinator.Timings{}", ""},
	{"a command is waited for in a map from before it", commandDir + "await.go",
		"	if seen < version {", "	if seen+1 < version {", ""},
	{"an advertised address that listens everywhere is accepted", commandDir + "addresses.go",
		"	if everywhere(host) {\n		return fmt.Errorf(\"--%s %s: nobody", "	if false {\n		return fmt.Errorf(\"--%s %s: nobody", ""},
	{"a command that was applied and cannot be followed exits as not applied", commandDir + "await.go",
		"holdfast moves tells\", f.Node, err), exitUnknown}", "holdfast moves tells\", f.Node, err), exitNotApplied}", ""},
}
