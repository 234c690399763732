package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// configFlag names a YAML file with settings. Its keys are the names of flags,
// without dashes in front, of the command that runs; or the names of commands,
// with such keys below them, so that one file can serve several. A key that is
// neither is an error.
type configFlag string

// BeforeResolve loads the file, once kong knows the command.
func (f configFlag) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path, _ := ctx.FlagValue(trace.Flag).(configFlag)
	text, err := os.ReadFile(string(path))
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	settings, err := parseConfig(text, ctx.Model.Node, ctx.Selected())
	if err != nil {
		return fmt.Errorf("config %s: %w", path, err)
	}
	ctx.AddResolver(settings)
	return nil
}

// settings are what a file says for the command that runs, by flag.
type settings map[string]string

// Validate implements kong.Resolver; parseConfig has judged everything.
func (s settings) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver. kong asks it for every flag that is not on
// the command line, also where the environment has it.
func (s settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	if value, ok := s[flag.Name]; ok {
		return value, nil
	}
	return nil, nil
}

// parseConfig reads the settings for the selected command, and reports all
// that is wrong with the file.
func parseConfig(text []byte, app, selected *kong.Node) (settings, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	document := map[string]any{}
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("want one YAML document")
	}
	commands := map[string]*kong.Node{}
	for _, c := range app.Children {
		commands[c.Name] = c
	}
	out := settings{}
	var errs []error
	take := func(where string, values map[string]any, command *kong.Node, keep bool) {
		for _, key := range slices.Sorted(maps.Keys(values)) {
			flag := findFlag(command, key)
			if flag == nil {
				errs = append(errs, fmt.Errorf("%s%s: holdfast %s has no such setting", where, key, command.Name))
				continue
			}
			value, err := settingText(values[key], flag)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s%s: %w", where, key, err))
				continue
			}
			if keep {
				out[key] = value
			}
		}
	}
	top := map[string]any{}
	for key, value := range document {
		if !isSection(key, value, commands) {
			top[key] = value
		}
	}
	take("", top, selected, true)
	for _, name := range slices.Sorted(maps.Keys(document)) {
		command := commands[name]
		if !isSection(name, document[name], commands) {
			continue
		}
		values, ok := document[name].(map[string]any)
		if !ok && document[name] != nil {
			errs = append(errs, fmt.Errorf("%s: want settings of that command", name))
		}
		take(name+".", values, command, command == selected)
	}
	return out, errors.Join(errs...)
}

// isSection reports whether a key of the file has a command's settings. A name may
// be a command's and a setting's ("coordinators"): then only a map is a section.
func isSection(key string, value any, commands map[string]*kong.Node) bool {
	if _, ok := commands[key]; !ok {
		return false
	}
	if _, ok := value.(map[string]any); ok || value == nil {
		return true
	}
	for _, c := range commands {
		if findFlag(c, key) != nil {
			return false
		}
	}
	return true
}

// findFlag finds a flag that may be set in a file.
func findFlag(command *kong.Node, name string) *kong.Flag {
	for _, flag := range command.Flags {
		if flag.Name == name && name != "help" && name != "config" {
			return flag
		}
	}
	return nil
}

// settingText writes a YAML value as one would write the flag's.
func settingText(value any, flag *kong.Flag) (string, error) {
	switch v := value.(type) {
	case []any:
		if !flag.IsSlice() && !flag.IsMap() {
			return "", errors.New("want one value, not a list")
		}
		parts := make([]string, len(v))
		for i, one := range v {
			text, err := scalar(one)
			if err != nil {
				return "", err
			}
			parts[i] = text
		}
		return strings.Join(parts, ","), nil
	case map[string]any:
		if !flag.IsMap() {
			return "", errors.New("want one value, not a mapping")
		}
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			text, err := scalar(v[key])
			if err != nil {
				return "", err
			}
			parts = append(parts, key+"="+text)
		}
		return strings.Join(parts, ","), nil
	}
	return scalar(value)
}

func scalar(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool, int, int64, uint64, float64:
		return fmt.Sprint(v), nil
	case nil:
		return "", errors.New("has no value")
	}
	return "", fmt.Errorf("want text or a number, not %T", value)
}
