#!/usr/bin/env python3
"""Breaks the shipped library on purpose, one small edit at a time, and tells which edits its tests catch.

  scripts/mutants rules                every edit that there is; goes on where it was stopped
  scripts/mutants rules --list         what they are
  scripts/mutants rules --only WORD    those whose name contains the word
  scripts/mutants rules --number N     the first N that the seed draws
  scripts/mutants rules --jobs N       so many at a time (default: 2)
  scripts/mutants rules --work DIR     where the verdicts are kept (default: build/mutants)
  SEGUE=path                           names the program (default: build/release/segue); nothing is compiled

Four kinds, as somebody would slip: a step is dropped, a segment is changed (its name, or its line in the model), a gate is loosened, a
wait is shifted.  A fixed seed decides their order, and which other segment takes the place of one.  An edit that `segue check` refuses
is no mutant.  Of each the tests run that could see it: those of the playbook, or all of its half.  A verdict is kept until a file
behind it changes; another program wants another --work.  What survives needs a reason in tests/mutants/rules_survivors.md.  Ends with 1
when less than 95 % are caught or a survivor has none.
"""
import argparse, collections, concurrent.futures, functools, glob, hashlib, json, os, re, shutil, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEGUE = os.path.abspath(os.environ.get("SEGUE", os.path.join(ROOT, "build", "release", "segue")))
SEED = "larkfield"
UNREAD = "no answer"
KINDS = ("step dropped", "segment changed", "segment's line moved", "gate loosened", "wait shifted")


def rule_files():
    for path, _, names in sorted(os.walk(os.path.join(ROOT, "rules"))):
        for name in sorted(names):
            if name.endswith(".yaml") and not name.endswith("_test.yaml"):
                yield os.path.relpath(os.path.join(path, name), ROOT)


def segments():
    """Model to the ids of its segments."""
    found = {}
    for file in rule_files():
        for document in open(os.path.join(ROOT, file)).read().split("\n---\n"):
            name = re.search(r"^model: (\w+)", document, re.M)
            if name:
                found[name.group(1)] = re.findall(r"^  - \{id: (\w+),", document, re.M)
    return found


def document_of(lines, at):
    """The kind and id of the document that a line stands in, which its first key names."""
    begin = next((index + 1 for index in range(at, -1, -1) if lines[index] == "---"), 0)
    for line in lines[begin:]:
        match = re.match(r"(\w+): (\w+)", line)
        if match:
            return match.groups()
    return "", ""


def block(lines, at):
    """One past the last line that belongs to the list entry at `at`."""
    indent = len(lines[at]) - len(lines[at].lstrip())
    end = at + 1
    while end < len(lines) and lines[end].strip() and len(lines[end]) - len(lines[end].lstrip()) > indent:
        end += 1
    return end


def another(words, word, salt):
    """Another of the words, always the same one."""
    others = sorted(set(words) - {word}, key=lambda other: hashlib.sha256(f"{SEED}{salt}{other}".encode()).hexdigest())
    return others[0]


def shifted(match, by):
    number = int(match.group(2)) + by
    return None if number < 1 else f"{match.group(1)}{number}{match.group(3)}"


def dropped(lines, at):
    """Steps, whole."""
    if re.match(r" {2,}- (send|task|audience|set|track|wait|if|stop)\b", lines[at]):
        yield "step dropped", lines[:at] + lines[block(lines, at):]


def changed(lines, at, known):
    """Another segment of the same model, wherever one is named; or a rule of a model that says one number less or more."""
    line = lines[at]
    kind, name = document_of(lines, at)
    trigger = re.match(r"on: \{model: (\w+)", line)
    if trigger:
        words = known[trigger.group(1)]
        for match in re.finditer(r"(?<=[\[ ])(\w+)(?=[\],}])", line):
            if match.group(1) in words:
                yield "segment changed", line[:match.start()] + another(words, match.group(1), name) + line[match.end():]
    for model, words in known.items():
        for match in re.finditer(rf"\b{model} (?:is|is not|in|not in) ((?:\[[^\]]*\])|'\w+')", line):
            for word in re.finditer(r"'(\w+)'", match.group(1)):
                start = match.start(1) + word.start(1)
                yield "segment changed", line[:start] + another(words, word.group(1), name) + line[start + len(word.group(1)):]
    if kind == "model" and re.match(r"  - \{id: ", line):
        for match in re.finditer(r"(>= |<= |is )(\d+)\b(?! GBP)", line):
            for by in (-1, 1):
                yield "segment's line moved", line[:match.start(2)] + str(int(match.group(2)) + by) + line[match.end(2):]


def loosened(lines, at):
    """A gate that asks less: a condition, where they come from, an exit, a lane, a limit, a topic, consent, a veto."""
    line = lines[at]
    kind, _ = document_of(lines, at)
    if kind == "playbook":
        if re.match(r"when: \S", line) or re.match(r"(exit|topic|takes_over|lane): ", line):
            yield "gate loosened", None
        if re.match(r"  - ", line) and at and any(re.match(r"when:\s*$", lines[k]) and all(re.match(r"  - ", x) for x in lines[k + 1:at]) for k in range(at)):
            yield "gate loosened", None
        if re.match(r"purpose: (marketing|product|success)", line):
            yield "gate loosened", "purpose: service"
        match = re.match(r"(limits: \{.*reenter: )(never|after \d+d)(.*)", line)
        if match:
            yield "gate loosened", match.group(1) + "always" + match.group(3)
        for limit in re.finditer(r", (per_day: \d+|on_cap: drop)(?=[,}])", line):
            yield "gate loosened", line[:limit.start()] + line[limit.end():]
        match = re.match(r"(on: \{.*?)from: (?:\[[^\]]*\]|\w+), (.*)", line)
        if match:
            yield "gate loosened", match.group(1) + match.group(2)
        if re.match(r" +unless_open: yes", line):
            yield "gate loosened", None
        match = re.match(r"(experiment: \{.*?)holdout: \d+%(?:, )?(.*)", line)
        if match and "variants" not in line:
            yield "gate loosened", None
        if re.match(r"    (met|unmet): stop", line):
            yield "gate loosened", None
        if re.match(r" +- if: ", line):
            yield "gate loosened", re.sub(r"if: .*", "if: since(customer.joined) > 0d or not exists(customer.joined)", line)
    if kind == "policy":
        match = re.match(r"deny: \[(.*)\]", line)
        words = match.group(1).split(", ") if match else []
        for word in words if len(words) > 1 else []:
            yield "gate loosened", "deny: [" + ", ".join(other for other in words if other != word) + "]"
        if re.match(r"when: ", line):
            yield "gate loosened", "when: customer.email is 'nobody'"
    if kind == "model" and re.match(r"settle: \{hold: [23]", line):
        yield "gate loosened", re.sub(r"hold: \d runs", "hold: 1 run", line)


def moved(lines, at):
    """A wait, a stay, a rhythm or an hour that is another one."""
    line = lines[at]
    for pattern in (r"(- wait: )(\d+)(d)", r"(\bfor: )(\d+)(d\})", r"(\bevery: )(\d+)(d,)"):
        match = re.search(pattern, line)
        if match:
            for by in (-1, 1):
                new = shifted(match, by)
                if new:
                    yield "wait shifted", line[:match.start()] + new + line[match.end():]
    match = re.search(r'(until_local: ")(\d\d)(:)', line)
    if match:
        yield "wait shifted", line[:match.start()] + f"{match.group(1)}{int(match.group(2)) + 1:02}{match.group(3)}" + line[match.end():]
    match = re.search(r"(on: \[)(\w{3})((?:, \w{3})*\])", line)
    if match and "wait:" in line:
        yield "wait shifted", line[:match.start()] + "on: [sun]" + line[match.end():]


Mutant = collections.namedtuple("Mutant", "number name what file document lines says")


def mutants():
    """All of them, in the order of the seed."""
    known, found, twins = segments(), [], collections.Counter()
    for file in rule_files():
        lines = open(os.path.join(ROOT, file)).read().split("\n")
        for at, line in enumerate(lines):
            if line.lstrip().startswith("#"):
                continue
            edits = [(what, new) for what, new in dropped(lines, at)]
            for what, text in [*changed(lines, at, known), *loosened(lines, at), *moved(lines, at)]:
                edits.append((what, lines[:at] + ([] if text is None else [text]) + lines[at + 1:]))
            for what, new in edits:
                kind, name = document_of(lines, at)
                instead = "gone" if len(new) < len(lines) else new[at].strip()
                said = f"{SEED}|{name}|{what}|{line.strip()}|{instead}"
                twins[said] += 1      # Two steps may begin with the same line.
                number = hashlib.sha256(f"{said}|{twins[said]}".encode()).hexdigest()
                found.append(Mutant(number, f"{name} {number[:6]}", what, file, (kind, name), new, f"{line.strip()}  \u2192  {instead}"))
    found.sort()
    return found


@functools.cache
def text_of(file):
    return open(os.path.join(ROOT, file)).read()


@functools.cache
def test_files():
    return sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "rules", "**", "*_test.yaml"), recursive=True))


def runs_of(mutant):
    """The runs of `segue test` that could see the edit, the nearest first."""
    kind, name = mutant.document
    beside = mutant.file.replace(".yaml", "_test.yaml")
    if kind == "playbook":
        documents = [document for file in test_files() for document in text_of(file).split("\n---\n")]
        return [["--only", re.search(r"^test: (\w+)", document, re.M).group(1)] for document in documents
                if re.search(rf"^only: \[.*\b{name}\b", document, re.M)]
    half = os.path.join(*mutant.file.split(os.sep)[:2]) + os.sep
    files = [file for file in test_files() if file.startswith(half) or not os.path.isdir(os.path.join(ROOT, half))]
    return [part for part in ([file for file in files if file == beside], [file for file in files if file != beside]) if part]


@functools.cache
def ground():
    """A digest of all files that are no tests."""
    digest = hashlib.sha256()
    for part in ("config", "rules", "templates"):
        for path in sorted(glob.glob(os.path.join(ROOT, part, "**", "*"), recursive=True)):
            if os.path.isfile(path) and not path.endswith("_test.yaml"):
                digest.update(path[len(ROOT):].encode() + open(path, "rb").read())
    return digest.hexdigest()


def key_of(mutant):
    """What a verdict stands on: all of that, the edit, and the tests."""
    runs = runs_of(mutant)
    names = [run[1] for run in runs if run[0] == "--only"]
    tests = [document for file in test_files() for document in text_of(file).split("\n---\n")
             if any(re.search(rf"^test: {name}$", document, re.M) for name in names) or any(file in run for run in runs)]
    return hashlib.sha256("\0".join([ground(), mutant.number, *tests]).encode()).hexdigest()[:24]


def segue(folder, *words):
    return subprocess.run([SEGUE, *words, "--workspace", folder], capture_output=True, text=True, env={**os.environ, "SEGUE_SIGN": "x"}, timeout=600)


def failing(folder, words):
    """The first test of that run that fails; empty when all pass."""
    done = segue(folder, "test", "--json", *words)
    try:
        red = [one["test"] for one in json.loads(done.stdout) if not one["passed"]]
    except ValueError:
        return UNREAD
    return red[0] if red else "" if done.returncode == 0 else UNREAD


def copy_library(origin, folder):
    for part in ("config", "rules", "templates"):
        shutil.copytree(os.path.join(origin, part), os.path.join(folder, part))


def verdict(mutant, still):
    """caught, survived or no mutant; and by which test.  Made of a copy that nobody edits meanwhile."""
    with tempfile.TemporaryDirectory(prefix="segue-mutant-") as folder:
        copy_library(still, folder)
        open(os.path.join(folder, mutant.file), "w").write("\n".join(mutant.lines))
        by = next(filter(None, (failing(folder, run) for run in runs_of(mutant))), "")
        if by in ("", UNREAD) and segue(folder, "check").returncode != 0:
            return "no mutant", "check"
        return ("caught", by) if by else ("survived", "-")


def judged(chosen, progress, jobs):
    """Verdicts by name; those that were known, and the others as they come."""
    known = {}
    if os.path.exists(progress):
        for line in open(progress):
            key, word, by = line.rstrip("\n").split("\t")[:3]
            known[key] = (word, by)
    verdicts = {mutant.name: known.get(key_of(mutant)) for mutant in chosen}
    left = [mutant for mutant in chosen if not verdicts[mutant.name]]
    with tempfile.TemporaryDirectory(prefix="segue-mutants-") as still:
        copy_library(ROOT, still)
        by = failing(still, []) if left else ""
        if by:
            raise SystemExit(f"scripts/mutants: {by} fails before anything is broken")
        pool = concurrent.futures.ThreadPoolExecutor(jobs)
        try:
            for place, (mutant, (word, by)) in enumerate(zip(left, pool.map(lambda one: verdict(one, still), left)), 1):
                verdicts[mutant.name] = (word, by)
                with open(progress, "a") as out:
                    out.write(f"{key_of(mutant)}\t{word}\t{by}\t{mutant.name}\n")
                print(f"{place:4} of {len(left)}  {word:9}  {mutant.name}: {mutant.what}  ({by})", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)
    return verdicts


def report(chosen, verdicts):
    """The survivors and a table by kind; the share that was caught, and how many survivors have no reason."""
    reasons = open(os.path.join(ROOT, "tests/mutants/rules_survivors.md")).read()
    counts, without = collections.Counter(), 0
    for mutant in chosen:
        word = verdicts[mutant.name][0]
        counts[mutant.what, word] += 1
        if word == "survived":
            said = mutant.name in reasons
            without += not said
            print(f"survived{'' if said else ', and nobody says why'}: {mutant.name}: {mutant.what}\n    {mutant.file}: {mutant.says}")
    print(f"\n{'':22}{'made':>6}{'caught':>8}{'survived':>10}{'share':>9}{'refused by check':>19}")
    for kind in (*KINDS, "all"):
        caught, survived, refused = (sum(number for (what, word), number in counts.items() if word == wanted and kind in (what, "all"))
                                     for wanted in ("caught", "survived", "no mutant"))
        share = 100 * caught / max(caught + survived, 1)
        print(f"{kind:22}{caught + survived:>6}{caught:>8}{survived:>10}{share:>7.1f} %{refused:>19}")
    print(f"{without} survivors without a reason")
    return share, without


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--number", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--work", default=os.path.join(ROOT, "build", "mutants"))
    options = parser.parse_args()
    every = mutants()
    chosen = [mutant for mutant in every[:options.number] if options.only in f"{mutant.name}: {mutant.what}"]
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name}: {mutant.what}\n    {mutant.file}: {mutant.says}")
        print(f"{len(chosen)} of {len(every)} edits")
        return 0
    os.makedirs(options.work, exist_ok=True)
    share, without = report(chosen, judged(chosen, os.path.join(options.work, "rules.tsv"), options.jobs))
    return 0 if share >= 95 and not without else 1


if __name__ == "__main__":
    sys.exit(main())
