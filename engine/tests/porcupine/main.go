// Porcupine beside the engine: its recorded histories in the engine's format, and its own verdicts and times on them.
//
//	porcupine convert DIR   histories, one a line: {"id","model","linearizable","history"}
//	porcupine judge DIR     verdicts, one a line: {"id","partition","linearizable","nanoseconds"}
//	porcupine measure DIR   the same, with the least time of several runs
//
// DIR is the module's test_data. The time is that of the check alone, after reading.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/anishathalye/porcupine"
)

// Recorded is one recorded history.
type Recorded struct {
	id     string
	lines  []Line
	events []porcupine.Event
	// The model with and, where there are keys, without partition by key.
	model, whole *porcupine.Model
}

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: porcupine convert|judge|measure DIR"))
	}
	recorded, err := load(os.Args[2])
	if err != nil {
		fail(err)
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	for _, history := range recorded {
		switch os.Args[1] {
		case "convert":
			linearizable, _ := check(history.model, history.events)
			err = encoder.Encode(map[string]any{
				"id": history.id, "model": "register", "linearizable": linearizable, "history": history.lines,
			})
		case "judge", "measure":
			most := map[string]int{"judge": 1, "measure": 10}[os.Args[1]]
			err = report(encoder, most, history.id, true, history.model, history.events)
			if err == nil && history.whole != nil {
				err = report(encoder, most, history.id, false, history.whole, history.events)
			}
		default:
			err = fmt.Errorf("no command %q", os.Args[1])
		}
		if err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "porcupine:", err)
	os.Exit(1)
}

// load reads the 102 logs of etcd and the 6 of a key-value store.
func load(dir string) ([]Recorded, error) {
	var recorded []Recorded
	logs, err := filepath.Glob(filepath.Join(dir, "jepsen", "etcd_*.log"))
	if err != nil {
		return nil, err
	}
	for _, log := range logs {
		lines, events, err := parse(log, etcdLine)
		if err != nil {
			return nil, err
		}
		if len(lines) == 0 {
			// One log is empty, and Porcupine's own tests leave it out.
			continue
		}
		id := filepath.Base(log)
		recorded = append(recorded, Recorded{id[:len(id)-len(".log")], lines, events, &registerModel, nil})
	}
	for _, name := range []string{"c01-bad", "c01-ok", "c10-bad", "c10-ok", "c50-bad", "c50-ok"} {
		lines, events, err := parse(filepath.Join(dir, "kv", name+".txt"), kvLine)
		if err != nil {
			return nil, err
		}
		whole := &wholeModel
		if name[:3] == "c50" {
			// Porcupine's own tests leave these out: without partition they do not end.
			whole = nil
		}
		recorded = append(recorded, Recorded{"kv_" + name, lines, events, &keyModel, whole})
	}
	if len(recorded) != 108 {
		return nil, fmt.Errorf("%s holds %d histories, not 108", dir, len(recorded))
	}
	return recorded, nil
}

func report(
	encoder *json.Encoder, most int, id string, partition bool, model *porcupine.Model, events []porcupine.Event,
) error {
	linearizable, least := check(model, events)
	for begin, runs := time.Now(), 1; runs < most && time.Since(begin) < 2*time.Second; runs++ {
		if _, took := check(model, events); took < least {
			least = took
		}
	}
	return encoder.Encode(map[string]any{
		"id": id, "partition": partition, "linearizable": linearizable, "nanoseconds": least.Nanoseconds(),
	})
}

func check(model *porcupine.Model, events []porcupine.Event) (bool, time.Duration) {
	begin := time.Now()
	linearizable := porcupine.CheckEvents(*model, events)
	return linearizable, time.Since(begin)
}
