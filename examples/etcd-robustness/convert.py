#!/usr/bin/env python3
"""The report of an etcd robustness test as operations that `torn check --model register` judges.

    python3 convert.py REPORT-FOLDER | torn check --model register -

REPORT-FOLDER holds client-*/operations.json as etcd's tests/robustness writes them (one operation a line: ClientId,
Input, Call, Output, Return). Every key becomes a register. What a register cannot say is left out, and counted on
standard error; whatever is left out only makes the judge more lenient, never wrong about a key that it calls
non-linearizable:

- reads at a past revision, leases, compaction, defragmentation
- keys that were ever put with a lease: they vanish by themselves
- a transaction that touches a key twice, or whose conditions concern another key than it writes
- a compare of a revision nobody learnt, or of a key whose values are not unique
"""

import collections
import json
import pathlib
import sys

left_out = collections.Counter()


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: convert.py REPORT-FOLDER")
    operations = load(pathlib.Path(sys.argv[1]))
    keys = Keys(operations)
    events = []
    for number, operation in enumerate(operations):
        for key, function, value, outcome, result in steps(operation, keys):
            # Keys are judged apart; a process of its own for each step keeps the steps of one transaction apart, too.
            event = {"process": len(events), "f": function, "key": key}
            events.append((operation["Call"], 0, number, {**event, "type": "invoke", "value": value}))
            if outcome != "info":
                event |= {"type": outcome, "value": result}
                events.append((operation["Return"], 1, number, event))
    events.sort(key=lambda event: event[:3])
    for time, _, _, event in events:
        print(json.dumps({"time": time, **event}))
    told = ", ".join(f"{count} {what}" for what, count in sorted(left_out.items()))
    print(f"{len(operations)} operations; left out: {told or 'nothing'}", file=sys.stderr)


def load(folder):
    files = sorted(folder.glob("client-*/operations.json"))
    if not files:
        sys.exit(f"convert.py: no client-*/operations.json in {folder}")
    operations = []
    for file in files:
        for line, text in enumerate(file.read_text().splitlines(), 1):
            try:
                operations.append(json.loads(text))
            except ValueError as error:
                sys.exit(f"convert.py: {file}, line {line}: {error}")
    return operations


class Keys:
    """What the whole report tells of each key: its values by revision, and whether it can be judged."""

    def __init__(self, operations):
        self.by_revision = collections.defaultdict(lambda: {0: None})
        self.puts = collections.Counter()
        self.leased = set()
        self.names = set()
        for operation in operations:
            request, response = operation["Input"], operation["Output"]
            for key_value in found(response):
                self.names.add(key_value["Key"])
                self.by_revision[key_value["Key"]][key_value["ModRevision"]] = text(key_value)
            txn = request["Txn"]
            if request["Type"] != "txn":
                continue
            answered = response.get("Txn")
            took = not answered or not answered["Failure"]
            for step in txn["OperationsOnSuccess"] if took else txn["OperationsOnFailure"]:
                if step["Type"] == "put-operation":
                    put = step["Put"]
                    self.names.add(put["Key"])
                    self.puts[put["Key"], text(put)] += 1
                    if put["LeaseID"]:
                        self.leased.add(put["Key"])
                    if answered:
                        self.by_revision[put["Key"]][response["Revision"]] = text(put)

    def value(self, key, revision):
        """The value of a key at a revision, where it is known and stood there only once."""
        value = self.by_revision[key].get(revision, Ellipsis)
        return Ellipsis if self.puts[key, value] > 1 else value


def found(response):
    """All keys and values in a response."""
    if response.get("Range"):
        yield from response["Range"]["KVs"] or []
    for result in (response.get("Txn") or {}).get("Results") or []:
        yield from result["KVs"] or []


def text(holder):
    """A value; etcd's tests keep only a hash of a long one."""
    value = holder["Value"]
    return value.get("Value") or (f"#{value['Hash']}" if value.get("Hash") else "")


def steps(operation, keys):
    """An operation on one key each: (key, function, value, outcome, result)."""
    request, response = operation["Input"], operation["Output"]
    is_known = not response["Error"] and not response.get("Persisted")
    if request["Type"] == "range":
        yield from reads(request["Range"], request["Range"]["Revision"], response.get("Range"), is_known, keys)
    elif request["Type"] != "txn":
        left_out[f"{request['Type']} requests"] += 1
    elif (written := transaction(request["Txn"], response, is_known, keys)) is None:
        left_out["transactions that are more than an operation a key"] += 1
    else:
        for step in written:
            if step[0] in keys.leased:
                left_out["operations on leased keys"] += 1
            else:
                yield step


def reads(options, revision, answer, is_known, keys):
    if revision:
        left_out["reads of the past"] += 1
    elif not is_known or not answer:
        left_out["reads without an answer"] += 1
    elif options["End"] and len(answer["KVs"] or []) != answer["Count"]:
        left_out["reads that were cut at their limit"] += 1
    else:
        values = {key_value["Key"]: text(key_value) for key_value in answer["KVs"] or []}
        within = lambda key: options["Start"] <= key and (key < options["End"] or options["End"] == "\0")
        for key in sorted(filter(within, keys.names)) if options["End"] else [options["Start"]]:
            if key not in keys.leased:
                yield key, "read", None, "ok", values.get(key)


def transaction(txn, response, is_known, keys):
    """The steps of a transaction, or nothing when they cannot be told apart by key."""
    conditions, answer = txn["Conditions"] or [], response.get("Txn")
    took = not (answer and answer["Failure"])
    branch = (txn["OperationsOnSuccess"] if took else txn["OperationsOnFailure"]) or []
    touched = [name(step) for step in branch]
    if len(set(touched)) < len(touched) or len(conditions) > 1 or any(c["ExpectedVersion"] for c in conditions):
        return None
    outcome = "ok" if is_known else "info"
    steps = []
    if conditions:
        condition = conditions[0]
        key = condition["Key"]
        old = keys.value(key, condition["ExpectedRevision"])
        wanted = [step for step in txn["OperationsOnSuccess"] or [] if name(step) == key]
        if len(wanted) != 1 or len(txn["OperationsOnSuccess"]) != 1 or wanted[0]["Type"] == "range-operation":
            return None
        new = written(wanted[0])
        if is_known and not took:
            if old is not Ellipsis:
                steps.append((key, "cas", [old, new], "fail", [old, new]))
        elif old is Ellipsis:
            steps.append((key, "write", new, outcome, new))
        else:
            steps.append((key, "cas", [old, new], outcome, [old, new]))
        if took:
            return steps
    results = (answer or {}).get("Results") or []
    for number, step in enumerate(branch):
        if step["Type"] != "range-operation":
            steps.append((name(step), "write", written(step), outcome, written(step)))
        elif is_known and not step["Range"]["End"]:
            held = results[number]["KVs"] or []
            steps.append((name(step), "read", None, "ok", text(held[0]) if held else None))
    return steps


def name(step):
    kinds = {"put-operation": ("Put", "Key"), "delete-operation": ("Delete", "Key"), "range-operation": ("Range", "Start")}
    kind, key = kinds[step["Type"]]
    return step[kind][key]


def written(step):
    """What a put or a delete leaves behind."""
    return text(step["Put"]) if step["Type"] == "put-operation" else None


if __name__ == "__main__":
    main()
