package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"syscall"

	"github.com/alecthomas/kong"
)

// commandLine is what kong parses: a field for each subcommand.
type commandLine struct {
	Config configFlag `help:"YAML file with settings; a flag or HOLDFAST_... variable counts before it." placeholder:"FILE"`

	Coordinator coordinatorCommand `cmd:"" help:"Run a coordinator: one of the group that keeps the partition map."`
	Node        nodeCommand        `cmd:"" help:"Run a data node."`
	Dev         devCommand         `cmd:"" help:"Run a whole cluster in this process, to try things out."`

	Get    getCommand    `cmd:"" help:"Write a key's value, as it is, to standard output."`
	Put    putCommand    `cmd:"" help:"Set a key to a value."`
	Delete deleteCommand `cmd:"" help:"Remove a key."`

	Status      statusCommand      `cmd:"" help:"Tell how the cluster is."`
	Partitions  partitionsCommand  `cmd:"" help:"List partitions with their primary and replicas."`
	Locate      locateCommand      `cmd:"" help:"Tell which partition and nodes a key belongs to."`
	Nodes       nodesCommand       `cmd:"" help:"List the data nodes with what they hold."`
	Drain       drainCommand       `cmd:"" help:"Have a node give everything away; it stays in the cluster."`
	Undrain     undrainCommand     `cmd:"" help:"Give a node its share again, also one that is to be removed."`
	Remove      removeCommand      `cmd:"" help:"Have a node give everything away, and take it out of the cluster for good."`
	Weight      weightCommand      `cmd:"" help:"Set how large a node's share is, relative to other nodes."`
	AcceptStart acceptStartCommand `cmd:"" help:"Say that a data directory is the right one, where the coordinators cannot tell: of two histories, or of the only copy, started elsewhere."`
	Plan        planCommand        `cmd:"" help:"Tell what would be moved, and why, without doing it."`
	Moves       movesCommand       `cmd:"" help:"Tell what is being moved, and how far that is."`
	Pause       pauseCommand       `cmd:"" help:"Let no move begin; those under way end."`
	Resume      resumeCommand      `cmd:"" help:"Let moves begin again."`
	Throttle    throttleCommand    `cmd:"" help:"Bound what each node sends for moves."`

	Coordinators coordinatorsCommand `cmd:"" help:"List the coordinators; replace one whose directory is lost."`

	Recover       recoverCommand       `cmd:"" help:"Make an eligible replica the primary of a partition whose in-sync replicas are lost. Nothing is lost by it."`
	RecoverMap    recoverMapCommand    `cmd:"" help:"Have coordinators that were restored from an old backup go on from what the nodes have."`
	UnsafeRecover unsafeRecoverCommand `cmd:"" help:"Make the best copy left the primary of a partition. Acknowledged writes may be lost by it."`
	Version       versionCommand       `cmd:"" help:"Print the version."`
}

// terminal is what a command may read from and write to.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// run is the whole program: it returns the exit code.
func run(args []string, in io.Reader, out, errOut io.Writer) (code int) {
	defer func() {
		// kong goes on after Exit unless it is stopped.
		if r := recover(); r != nil {
			early, ok := r.(exit)
			if !ok {
				panic(r)
			}
			code = int(early)
		}
	}()
	var line commandLine
	parser := newParser(&line, out, errOut)
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(errOut, "holdfast: %v\n", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { // ends with ctx
		<-ctx.Done()
		stop() // a second signal ends the program at once
	}()
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.Bind(&terminal{in: in, out: out, err: errOut})
	err = parsed.Run()
	if text := describe(err); text != "" {
		fmt.Fprintf(errOut, "holdfast: %s\n", text)
	}
	return codeOf(err)
}

func newParser(line *commandLine, out, errOut io.Writer) *kong.Kong {
	return kong.Must(line,
		kong.Name("holdfast"),
		kong.Description("A distributed key-value store: send any request to any node."),
		kong.Writers(out, errOut),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Help(func(o kong.HelpOptions, ctx *kong.Context) error {
			if err := kong.DefaultHelpPrinter(o, ctx); err != nil {
				return err
			}
			_, err := fmt.Fprint(ctx.Stdout, "\n"+exitHelp())
			return err
		}),
		kong.DefaultEnvars("HOLDFAST"),
		kong.KindMapper(reflect.String, kong.MapperFunc(decodeBytes)),
	)
}

// decodeBytes takes a string as it stands on the command line. A key or a value may
// have any bytes; kong's own way goes through JSON, which changes those that are
// not UTF-8.
func decodeBytes(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("string")
	if err != nil {
		return err
	}
	target.SetString(token.String())
	return nil
}

// describe is what is said of an error; nothing, if the command has said all.
func describe(err error) string {
	if err == nil || errors.As(err, new(exit)) {
		return ""
	}
	return err.Error()
}

// logFlags are those of all that run until they are told to stop.
type logFlags struct {
	LogLevel  slog.Level `help:"Least important messages to log: debug, info, warn or error." default:"info"`
	LogFormat string     `help:"Format of the log: text or json." enum:"text,json" default:"text"`
}

func (f logFlags) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: f.LogLevel}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
