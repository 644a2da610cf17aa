package main

import (
	"hash/fnv"

	"github.com/anishathalye/porcupine"
)

// nothing is the value that a register of integers begins with.
const nothing = -1

// registerModel is one register of integers: read, write, compare-and-set. A failed compare-and-set saw another value.
var registerModel = porcupine.Model{
	Init: func() any { return nothing },
	Step: func(state, in, out any) (bool, any) {
		now, asked, answered := state.(int), in.(input), out.(output)
		switch asked.f {
		case "read":
			if answered.unknown {
				return true, now
			}
			seen, is := answered.value.(int)
			return is && seen == now || !is && now == nothing, now
		case "write":
			return true, asked.value.(int)
		default:
			after := now
			if asked.old == now {
				after = asked.new
			}
			return answered.unknown || answered.ok == (asked.old == now), after
		}
	},
}

// keyModel is a store of texts, each key judged by itself.
var keyModel = porcupine.Model{
	PartitionEvent: func(history []porcupine.Event) [][]porcupine.Event {
		byKey, keyOf := map[string][]porcupine.Event{}, map[int]string{}
		var keys []string
		for _, event := range history {
			if event.Kind == porcupine.CallEvent {
				keyOf[event.Id] = event.Value.(input).key
			}
			key := keyOf[event.Id]
			if _, known := byKey[key]; !known {
				keys = append(keys, key)
			}
			byKey[key] = append(byKey[key], event)
		}
		var parts [][]porcupine.Event
		for _, key := range keys {
			parts = append(parts, byKey[key])
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, in, out any) (bool, any) {
		now, asked := state.(string), in.(input)
		switch asked.f {
		case "read":
			answered := out.(output)
			return answered.unknown || answered.value.(string) == now, now
		case "write":
			return true, asked.value.(string)
		default:
			return true, now + asked.value.(string)
		}
	},
	Hash: func(state any) uint64 {
		hash := fnv.New64a()
		hash.Write([]byte(state.(string)))
		return hash.Sum64()
	},
}

// wholeModel is the same store as one map of all keys.
var wholeModel = porcupine.Model{
	Init: func() any { return map[string]string{} },
	Step: func(state, in, out any) (bool, any) {
		now, asked := state.(map[string]string), in.(input)
		if asked.f == "read" {
			answered := out.(output)
			return answered.unknown || answered.value.(string) == now[asked.key], now
		}
		after := make(map[string]string, len(now)+1)
		for key, value := range now {
			after[key] = value
		}
		if asked.f == "write" {
			after[asked.key] = asked.value.(string)
		} else {
			after[asked.key] += asked.value.(string)
		}
		return true, after
	},
	Equal: func(left, right any) bool {
		one, other := left.(map[string]string), right.(map[string]string)
		if len(one) != len(other) {
			return false
		}
		for key, value := range one {
			if other[key] != value {
				return false
			}
		}
		return true
	},
	Hash: func(state any) uint64 {
		var sum uint64
		for key, value := range state.(map[string]string) {
			hash := fnv.New64a()
			hash.Write([]byte(key))
			hash.Write([]byte(value))
			sum ^= hash.Sum64()
		}
		return sum
	},
}
