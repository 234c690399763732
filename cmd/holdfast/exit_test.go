package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/client"
)

func TestExitCodesOfErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{errors.New("disk"), exitFailure},
		{usage(errors.New("flag")), exitUsage},
		{exit(exitDegraded), exitDegraded},
		{fmt.Errorf("node n1: %w", &client.RefusedError{Node: "n1", Reason: "another start"}), exitRefused},
		{fmt.Errorf("node n1: %w", &client.RefusedError{Node: "n1", Removed: true}), exitRemoved},
		{fmt.Errorf("node n1: %w", &client.RefusedError{Node: "n1", Waits: true}), exitFailure},
	} {
		if got := codeOf(test.err); got != test.want {
			t.Errorf("%v: exit code %d, want %d", test.err, got, test.want)
		}
	}
}

// The manual and the help have the table of the program.
func TestExitCodesAreDocumented(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, help, _ := execute(t, "", "node", "--help")
	for i, c := range exitCodes {
		if c.code != i {
			t.Errorf("row %d has code %d", i, c.code)
		}
		if row := fmt.Sprintf("| %d | %s | %s | %s |", c.code, c.by, c.means, c.then); !strings.Contains(string(manual), row) {
			t.Errorf("docs/operations.md lacks %s", row)
		}
		if !strings.Contains(help, c.means) {
			t.Errorf("the help lacks code %d: %s", c.code, help)
		}
	}
}
