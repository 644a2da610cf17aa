package main

import (
	"bufio"
	"os"
	"regexp"
	"sort"
	"strconv"

	"github.com/anishathalye/porcupine"
)

// Line is an operation in the engine's format.
type Line struct {
	Index   int    `json:"index"`
	Process int    `json:"process"`
	Type    string `json:"type"`
	F       string `json:"f"`
	Key     string `json:"key,omitempty"`
	Value   any    `json:"value"`
	Error   string `json:"error,omitempty"`
}

// input is what an operation was asked for, output what it answered.
type input struct {
	f        string
	key      string
	value    any
	old, new int
}

type output struct {
	value   any
	ok      bool
	unknown bool
}

// parse reads a log line by line; what no rule knows (timeouts of writes and the like) leaves its operation open, as
// Porcupine's own reader does.
func parse(file string, read func(text string) (Line, bool)) ([]Line, []porcupine.Event, error) {
	opened, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer opened.Close()
	var lines []Line
	var events []porcupine.Event
	open, next := map[int]int{}, 0
	scanner := bufio.NewScanner(opened)
	scanner.Buffer(nil, 1<<24)
	for scanner.Scan() {
		line, known := read(scanner.Text())
		if !known {
			continue
		}
		line.Index = len(lines)
		lines = append(lines, line)
		event := porcupine.Event{ClientId: line.Process, Kind: porcupine.CallEvent, Id: next}
		if line.Type == "invoke" {
			open[line.Process] = next
			next++
			event.Value = inputOf(line)
		} else {
			event.Kind, event.Id = porcupine.ReturnEvent, open[line.Process]
			delete(open, line.Process)
			unknown := line.F == "read" && line.Type == "fail"
			event.Value = output{value: line.Value, ok: line.Type == "ok", unknown: unknown}
		}
		events = append(events, event)
	}
	// Porcupine wants a return for every call: those that never came, come at the end and say nothing.
	var processes []int
	for process := range open {
		processes = append(processes, process)
	}
	sort.Ints(processes)
	for _, process := range processes {
		value := output{unknown: true}
		events = append(events, porcupine.Event{ClientId: process, Kind: porcupine.ReturnEvent, Id: open[process], Value: value})
	}
	return lines, events, scanner.Err()
}

func inputOf(line Line) input {
	asked := input{f: line.F, key: line.Key, value: line.Value}
	if pair, is := line.Value.([2]int); is {
		asked.old, asked.new = pair[0], pair[1]
	}
	return asked
}

var etcdRule = regexp.MustCompile(`^INFO\s+jepsen\.util\s+-\s+(\d+)\s+:(invoke|ok|fail)\s+:(read|write|cas)\s+(.*)$`)
var pairRule = regexp.MustCompile(`^\[(\d+)\s+(\d+)\]$`)

func etcdLine(text string) (Line, bool) {
	found := etcdRule.FindStringSubmatch(text)
	if found == nil {
		return Line{}, false
	}
	process, _ := strconv.Atoi(found[1])
	line := Line{Process: process, Type: found[2], F: found[3]}
	if line.F == "read" && line.Type == "fail" {
		line.Error = "timed-out"
		return line, found[4] == ":timed-out"
	}
	if number, err := strconv.Atoi(found[4]); err == nil && line.F != "cas" {
		line.Value = number
		return line, line.Type != "fail"
	}
	if pair := pairRule.FindStringSubmatch(found[4]); pair != nil && line.F == "cas" {
		old, _ := strconv.Atoi(pair[1])
		new, _ := strconv.Atoi(pair[2])
		line.Value = [2]int{old, new}
		return line, true
	}
	return line, line.F == "read" && found[4] == "nil"
}

var kvRule = regexp.MustCompile(
	`^{:process (\d+), :type :(invoke|ok), :f :(get|put|append), :key "(.*)", :value (?:nil|"(.*)")}$`)

func kvLine(text string) (Line, bool) {
	found := kvRule.FindStringSubmatch(text)
	if found == nil {
		return Line{}, false
	}
	process, _ := strconv.Atoi(found[1])
	name := map[string]string{"get": "read", "put": "write", "append": "append"}[found[3]]
	line := Line{Process: process, Type: found[2], F: name, Key: found[4], Value: found[5]}
	if line.Type == "invoke" && line.F == "read" {
		line.Value = nil
	}
	return line, true
}
